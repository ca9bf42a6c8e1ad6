import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from agv2.utils.logging_config import configure_logging, correlation, redact


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    output = io.StringIO()
    configure_logging(json=True, stream=output)
    yield output
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_event_level_time_and_values(stream: io.StringIO) -> None:
    structlog.get_logger().info("fold done", fold=2)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["fold"]) == ("fold done", "info", 2)
    assert line["timestamp"].endswith("Z")


def test_correlation_ids_are_on_lines_inside_the_block_alone(stream: io.StringIO) -> None:
    log = structlog.get_logger()
    with correlation(run_id="r1", fold=0):
        with correlation(fold=1):
            log.info("inner")
        log.info("outer")
    log.info("after")
    inner, outer, after = lines(stream)
    assert (inner["run_id"], inner["fold"], outer["fold"]) == ("r1", 1, 0)
    assert "run_id" not in after


def test_correlation_ids_reach_coroutines_started_inside(stream: io.StringIO) -> None:
    async def work() -> None:
        structlog.get_logger().info("working")

    with correlation(order_id=9):
        asyncio.run(work())
    assert lines(stream)[0]["order_id"] == 9


def test_lines_below_the_level_are_dropped() -> None:
    output = io.StringIO()
    configure_logging(json=True, level="warning", stream=output)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    structlog.reset_defaults()
    assert [line["event"] for line in lines(output)] == ["loud"]


@pytest.mark.parametrize("key", ["password", "TL_PASSWORD", "api_key", "accessToken", "Authorization", "client_secret"])
def test_values_of_secret_keys_are_hidden(key: str) -> None:
    assert redact(None, "info", {key: "hunter2"})[key] == "[hidden]"


def test_secrets_inside_text_and_nested_values_are_hidden() -> None:
    event = redact(
        None,
        "info",
        {
            "event": "GET with Bearer abc.def-123 failed",
            "address": "postgresql://agv2:hunter2@localhost/bars",
            "request": {"headers": {"Authorization": "Basic aHVudGVyMg=="}, "urls": ["redis://:hunter2@host"]},
            "fold": 3,
        },
    )
    text = str(event)
    assert "hunter2" not in text
    assert "abc.def" not in text
    assert "aHVudGVyMg" not in text
    assert event["fold"] == 3
    assert event["address"] == "postgresql://agv2:[hidden]@localhost/bars"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_in_a_traceback_is_hidden(as_json: bool) -> None:
    output = io.StringIO()
    configure_logging(json=as_json, stream=output)
    try:
        raise ValueError("cannot reach https://me:hunter2@venue")
    except ValueError:
        structlog.get_logger().exception("failed")
    structlog.reset_defaults()
    assert "ValueError" in output.getvalue()
    assert "hunter2" not in output.getvalue()


def test_text_lines_are_for_people() -> None:
    output = io.StringIO()
    configure_logging(stream=output)
    structlog.get_logger().info("fold done", fold=2)
    structlog.reset_defaults()
    assert "fold done" in output.getvalue()
    assert "fold=2" in output.getvalue()
