"""Latency of /v1/decide at fifty questions a second, beside the bare ONNX call, in one run.

    python benchmarks/serve.py --bundle DIR             print the figures
    python benchmarks/serve.py --bundle DIR --record    also append them to benchmarks/history.csv

The service is a process of its own, asked over HTTP: first with a new bar in each question, then for many books at one
bar. Between questions the yardstick, one window through the encoder and one observation through the policy, is called
in this process. Bars are synthetic.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from comparison import HISTORY, Line, record_lines

from agv2.data.synthetic import synthetic_bars
from agv2.deploy.tokens import Role, TokenStore
from agv2.models.bundle import ModelBundle
from agv2.utils.clock import SystemClock

RATE_HZ, SEED, STARTING_S = 50.0, 7, 120.0


class Latencies(NamedTuple):
    """Seconds of each question and of each bare call."""

    asked: "np.ndarray[Any, np.dtype[np.float64]]"
    bare: "np.ndarray[Any, np.dtype[np.float64]]"


def started(
    bundle: Path, home: Path, settings: list[str]
) -> "tuple[subprocess.Popen[bytes], httpx.Client, list[float]]":
    """A service that is ready, a caller of it, and the seconds to `/health` and to `/ready`."""
    _, token = TokenStore(home / "deploy" / "tokens.json", SystemClock()).issue(Role.OPERATOR)
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"} | {"AGV2_HOME": str(home)}
    words = [sys.executable, "-m", "agv2.app.cli.main", "serve", "--bundle", str(bundle), "--port", "8397"]
    words += [word for each in settings for word in ("--set", each)]
    began = time.perf_counter()
    process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    client = httpx.Client(base_url="http://127.0.0.1:8397", headers={"Authorization": f"Bearer {token}"}, timeout=30.0)
    seconds: list[float] = []
    for path in ("/health", "/ready"):
        while True:
            try:
                if client.get(path).status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.perf_counter() - began > STARTING_S:
                raise SystemExit("the service did not become ready")
            time.sleep(0.02)
        seconds.append(time.perf_counter() - began)
    return process, client, seconds


def measured(client: httpx.Client, bundle: ModelBundle, n_questions: int, *, new_bars: bool) -> Latencies:
    """Ask at a steady rate; the bare call takes its turn between two questions."""
    state = client.get("/v1/state").json()["symbols"][0]
    bars = synthetic_bars("trend", state["bars_needed"] + n_questions + 50, SEED, symbol=state["symbol"])
    rng = np.random.default_rng(SEED)
    runner, manifest = bundle.runner(), bundle.manifest
    window = rng.normal(size=(1, manifest.encoder["window"], len(manifest.features))).astype(np.float32)
    observation = rng.normal(size=(1, max(stop for _, stop in manifest.layout.values()))).astype(np.float32)

    def question(first: int, stop: int) -> dict[str, object]:
        part = bars.slice(first, stop)
        columns = {name: getattr(part, name).tolist() for name in ("open", "high", "low", "close")}
        told = {"ts": (part.ts_ns // 10**9).tolist(), **columns}
        return {"symbol": state["symbol"], "bars": told, **_book(0)}

    client.post("/v1/decide", json=question(0, state["bars_needed"])).raise_for_status()  # all bars, once
    asked, bare = [], []
    due = time.perf_counter() + 0.1
    for number in range(n_questions + 50):
        stop = state["bars_needed"] + (number if new_bars else n_questions + 49)
        body = question(stop - 2, stop) | _book(number)
        time.sleep(max(due - time.perf_counter(), 0.0))
        began = time.perf_counter()
        answer = client.post("/v1/decide", json=body)
        answered = time.perf_counter()
        if answer.is_error:
            raise SystemExit(f"question {number} was refused: {answer.text}")
        runner.encode(window, manifest.asset_classes[0])
        runner.evaluate(observation)
        if number >= 50:  # what comes first warms caches
            asked.append(answered - began)
            bare.append(time.perf_counter() - answered)
        due += 1.0 / RATE_HZ
    return Latencies(np.array(asked), np.array(bare))


def _book(number: int) -> dict[str, object]:
    return {"book": {"cash": 1e5 + number}}


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="as `agv2 run --profile standard` leaves it")
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--set", dest="settings", action="append", default=[], help="a setting of the service")
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        process, client, (health_s, ready_s) = started(words.bundle, Path(home), words.settings)
        try:
            bundle = ModelBundle.load(words.bundle)
            found = {
                work: measured(client, bundle, words.questions, new_bars=new_bars)
                for work, new_bars in (("a new bar each", True), ("one bar, many books", False))
            }
        finally:
            process.terminate()
            process.wait(30.0)
    load = os.getloadavg()[0]
    print(f"/health after {health_s:.2f} s, /ready after {ready_s:.1f} s; load {load:.1f}")  # noqa: T201
    lines = []
    for work, latencies in found.items():
        for name, seconds in latencies._asdict().items():
            shown = "  ".join(f"p{q} {1e3 * np.quantile(seconds, q / 100):6.2f} ms" for q in (50, 90, 99))
            print(f"{work:<20} {name:<6}{shown}")  # noqa: T201 - the output of this script
        asked, bare = (float(np.quantile(seconds, 0.99)) for seconds in latencies)
        print(f"{work:<20} p99 of /v1/decide is {asked / bare:.2f} x that of the bare call")  # noqa: T201
        lines.append(Line(f"decisions served, p99 at 50/s, {work}", 1.0 / asked, "bare ONNX call, p99", 1.0 / bare))
    if words.record:
        record_lines(lines, ("fastapi", "uvicorn", "onnxruntime"))


if __name__ == "__main__":
    main()
