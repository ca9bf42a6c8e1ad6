"""The console as its user meets it: in Chromium, on a running service, with decisions coming in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from agv2.deploy.console.shell import SHELL_PATHS
from tests.test_deploy.conftest import Served
from tests.test_deploy.test_watching import HELD, Sight
from tests.untrained_bundles import ToldBars


class Visit:
    """A page, with everything it complained about and everything it asked for."""

    def __init__(self, browser: Any, served: Served, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.page, self.served = self.context.new_page(), served
        self.page.set_default_timeout(60_000)  # tests share their machine
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(served.url)

    def sign_in(self, role: str) -> "Visit":
        self.page.get_by_label("Token").fill(self.served.tokens[role])
        self.page.keyboard.press("Enter")
        self.says("#link", "Live")
        return self

    def says(self, selector: str, text: str) -> None:
        self.page.locator(selector).filter(has_text=text).first.wait_for()

    def gone(self, selector: str) -> None:
        self.page.locator(selector).wait_for(state="hidden")


@pytest.fixture
def visit(browser: Any, watched: Served) -> Iterator[Visit]:
    visit = Visit(browser, watched)
    yield visit
    visit.context.close()


def awaiting(served: Served, told_bars: ToldBars, first: int = 2_950) -> str:
    """Tell bars until a position waits for a person; the approval's id."""
    for stop in range(first, 3_001):
        question = told_bars.question(stop)
        answer = served.ask("POST", "/v1/decide", json=question).json()
        if answer["status"] == "awaiting_approval":
            return str(answer["approval"]["approval_id"])
    pytest.fail("this policy opens nothing")


def test_without_a_token_there_is_the_door_alone_and_a_wrong_one_does_not_open_it(visit: Visit) -> None:
    page = visit.page
    assert page.locator("#console").is_hidden()
    policy = visit.served.client.get("/").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert page.evaluate("document.activeElement.id") == "token"
    assert {url.removeprefix(visit.served.url) for url in visit.requests} <= SHELL_PATHS
    page.keyboard.press("Enter")
    assert page.locator("#sign-in-problem").inner_text() == "Paste a token first."
    page.get_by_label("Token").fill("agv2_00000000_" + "A" * 43)
    page.keyboard.press("Enter")
    visit.says("#sign-in-problem", "This token opens nothing")
    assert page.locator("#console").is_hidden()
    assert "agv2_" not in page.url
    refused = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
    assert visit.complaints == [refused]


def test_nothing_is_known_then_a_decision_appears_by_itself(visit: Visit, told_bars: ToldBars) -> None:
    page, served = visit.page, visit.served
    visit.sign_in("operator")
    visit.says("#decisions", "No decision yet")
    assert page.locator("#candles").inner_text().startswith("No bars yet")
    assert page.locator("#positions").inner_text().startswith("Not known")
    assert page.locator("#limits").inner_text().count("not known, limit") == 4
    assert page.locator("#band").inner_text() == "Expected band: not known (this service does not ask the guards)."
    served.ask("POST", "/v1/decide", json=told_bars.question(2_940) | {"book": HELD})
    visit.says("#decisions summary", "TREND")
    visit.says("#positions tr", "+10")
    visit.says("#stale", "newest 1h bar closed 3 days ago")  # 2,940 of 3,000 hours
    assert page.locator("#candles svg[role=img]").bounding_box()["height"] > 200
    page.locator("#candles").press("ArrowLeft")
    assert "close" in page.locator("#candles .when").inner_text()
    details = page.locator("#decisions details").first
    details.locator("summary").press("Enter")
    visit.says("#decisions .grounds h3", "What it rested on")
    visit.says("#decisions .worth", "Returns")
    assert details.get_attribute("open") is not None, "the attribution came later and closed nothing"
    page.get_by_label("Without those that change nothing").check()
    assert page.locator("#decisions details").count() <= 1
    assert visit.complaints == []
    assert all(url.startswith(visit.served.url) for url in visit.requests)
    assert not any("agv2_" in url for url in visit.requests)


def test_an_approval_is_confirmed_by_keyboard(visit: Visit, told_bars: ToldBars) -> None:
    page = visit.sign_in("operator").page
    waiting = awaiting(visit.served, told_bars)
    visit.says(".approval", "left; silence means no")
    page.get_by_role("button", name="Confirm…").press("Enter")
    assert page.evaluate("document.activeElement.id") == "approval-reason"
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert visit.served.ask("GET", f"/v1/approvals/{waiting}").json()["status"] == "pending"
    page.get_by_role("button", name="Confirm…").press("Enter")
    page.keyboard.type("looks right")
    page.keyboard.press("Enter")
    visit.says(".answered", "looks right")
    answered = visit.served.ask("GET", f"/v1/approvals/{waiting}").json()
    assert (answered["status"], answered["reason"]) == ("approved", "looks right")
    awaiting(visit.served, told_bars, 2_970)
    page.get_by_role("button", name="Deny…").click()
    page.locator("#approval-yes").click()
    visit.says(".answered", "Denied")
    assert visit.complaints == []


def test_kill_latches_in_sight_and_re_arming_wants_a_reason(visit: Visit, told_bars: ToldBars) -> None:
    page, served = visit.sign_in("operator").page, visit.served
    awaiting(served, told_bars, 2_980)
    visit.says(".approval", "Open")
    page.get_by_role("button", name="Kill", exact=True).press("Enter")
    page.keyboard.type("news at noon")
    page.get_by_label("Also close what is held").check()
    page.locator("#kill-reason").press("Enter")
    visit.says("#killed", "news at noon")
    visit.says("#killed", "what is held is closed")
    assert page.title().startswith("KILLED · DEMO")
    state = served.ask("GET", "/v1/state").json()["kill"]
    assert (state["engaged"], state["reason"], state["flattens"]) == (True, "news at noon", True)
    assert page.get_by_role("button", name="Confirm…").is_disabled(), "nothing may be opened"
    page.reload()
    visit.says("#killed", "news at noon")  # latched, and the tab is still signed in
    page.get_by_role("button", name="Re-arm…").click()
    page.keyboard.press("Enter")
    assert page.locator("#rearm-dialog").is_visible(), "an empty reason re-arms nothing"
    page.keyboard.type("looked at the positions")
    page.keyboard.press("Enter")
    visit.gone("#killed")
    assert served.ask("GET", "/v1/state").json()["kill"]["engaged"] is False
    assert visit.complaints == []


def test_a_viewer_has_nothing_to_press_and_is_told_so(visit: Visit, told_bars: ToldBars) -> None:
    page = visit.sign_in("viewer").page
    awaiting(visit.served, told_bars, 2_990)
    visit.says(".approval", "An operator must answer.")
    visit.says("#looking", "an operator's token is needed to act")
    page.get_by_role("button", name="TREND").wait_for()
    names = [page.get_by_role("button", name=name, exact=True) for name in ("Kill", "Re-arm…", "Confirm…", "Deny…")]
    assert [name.count() for name in names] == [0, 0, 0, 0]
    visit.served.ask("POST", "/v1/kill", json={"reason": "by somebody else"})
    visit.says("#killed", "by somebody else")
    assert [name.count() for name in names] == [0, 0, 0, 0]
    # Whoever makes the button appear is refused where it counts.
    page.evaluate("document.getElementById('rearm').hidden = false")
    page.locator("#rearm").click()
    page.keyboard.type("let me")
    page.keyboard.press("Enter")
    visit.says("#rearm-dialog .problem", "This needs a token of the role operator")
    assert visit.served.ask("GET", "/v1/state").json()["kill"]["engaged"] is True
    visit.served.ask("POST", "/v1/rearm", json={"reason": "end of the test"})
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").wait_for()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_connection_refused_or_lost_is_said_and_comes_back(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    page, streams = visit.page, visit.served.app.state.streams
    with monkeypatch.context() as full:
        full.setattr(streams, "_most", 0)
        page.get_by_label("Token").fill(visit.served.tokens["viewer"])
        page.keyboard.press("Enter")
        visit.says("#lost", "Not connected: 0 watch already; close a console")
    visit.says("#link", "Live")
    page.route("**/v1/events", lambda route: route.abort())
    visit.served.call(streams.end)
    visit.says("#lost", "Connection lost at")
    visit.says("#link", "Reconnecting")
    page.unroute("**/v1/events")
    visit.gone("#lost")
    visit.says("#link", "Live")


def test_what_the_guards_know_is_drawn(
    browser: Any, watched: Served, told_bars: ToldBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched.service, "sight", Sight())
    watched.ask("POST", "/v1/decide", json=told_bars.question(2_999))
    watched.ask("POST", "/v1/decide", json=told_bars.question(3_000))
    visit = Visit(browser, watched, viewport={"width": 390, "height": 844}, color_scheme="dark").sign_in("operator")
    visit.says("#findings", "Guard tripped: drift of features · opens nothing since 9 Sep 2001")
    visit.says("#drift", "2 features, 1 beyond the limit")
    assert re.findall(r"\d+.% of its limit", visit.page.locator("#drift").inner_text()) == [
        "150\u202f% of its limit",
        "50\u202f% of its limit",
    ]
    visit.says("#band", "Shaded")
    visit.gone("#stale")
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 27)"
    assert visit.complaints == []
    visit.context.close()


def test_a_token_that_is_revoked_ends_at_the_door(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.sign_in("viewer")
    monkeypatch.setattr(visit.served.app.state.streams._tokens, "authenticate", lambda _: None)
    visit.says("#sign-in-problem", "This token opens nothing")
    assert visit.page.locator("#console").is_hidden()
