import threading
import time
from collections.abc import Sequence

from agv2.app.doctor.examination import run_checks
from agv2.app.doctor.finding import Check, Finding, Status


def fine() -> Finding:
    return Finding(Status.OK, "fine")


def test_findings_come_in_the_order_asked_and_slow_checks_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=10.0)  # passed only where both are under way at once

    def meet() -> Finding:
        meeting.wait()
        return fine()

    checks = [Check("g", "a", meet, 20.0), Check("g", "b", fine), Check("g", "c", meet, 20.0)]
    found = run_checks(checks, lambda _: None)
    assert [each.name for each in found] == ["a", "b", "c"]
    assert {each.finding.status for each in found} == {Status.OK}


def test_a_check_that_hangs_has_failed_and_keeps_nobody() -> None:
    release = threading.Event()

    def hang() -> Finding:
        release.wait(60.0)
        return fine()

    waited: list[list[str]] = []

    def waiting(checks: Sequence[Check]) -> None:
        waited.append([check.name for check in checks])

    started = time.monotonic()
    found = run_checks([Check("g", "hangs", hang, 0.3), Check("g", "quick", fine, 5.0)], waiting)
    assert time.monotonic() - started < 5.0
    release.set()
    assert [each.finding.status for each in found] == [Status.FAILED, Status.OK]
    assert found[0].finding.detail == "no answer within 0.3 s"
    assert found[0].finding.remedy
    assert waited[0] == ["hangs", "quick"]
    assert waited[-1] == ["hangs"]


def test_a_check_that_raises_has_failed_and_the_others_go_on() -> None:
    def broken() -> Finding:
        raise ImportError("libLLVM is missing")

    found = run_checks([Check("g", "a", broken), Check("g", "b", fine)], lambda _: None)
    assert found[0].finding.detail == "ImportError: libLLVM is missing"
    assert found[1].finding.status is Status.OK
