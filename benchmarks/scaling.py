"""How much sooner tasks are done by several processes, and that they are done to the same bits.

Usage: python benchmarks/scaling.py [--markets N] [--bars N] [--nodes N]

The tasks are markets of `agv2 truth`, which are independent. They are done in this process, then by one and by two of
Ray's processes on this machine, then on a simulated cluster: Ray nodes of one processor each, all on this machine, with
the tasks' inputs and results going from node to node. What counts is the ratio of wall times; where other programs run
on the machine at the same time even that says little, so the load is printed too, and the processor time of the tasks.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agv2.app.settings import Settings, load_settings
from agv2.app.truth.markets import CELLS, SYMBOLS, TruthTrial, truth_trial
from agv2.app.workers.opening import Workers, task_pool
from agv2.app.workers.ray_session import loopback_environment, ray_session
from agv2.app.workers.tasks import AtWork, Task, Workplace

__all__ = ["main"]

_SEED = 7


class Timed(NamedTuple):
    """One way to do all tasks."""

    way: str
    wall_s: float
    cpu_s: float
    """Of the tasks, in whichever processes."""
    trials: list[TruthTrial]


class _Silent:
    def update(self, fraction: float, detail: str = "") -> None:
        """Nobody looks."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Nobody looks."""
        yield

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        """Nobody looks."""

    def finished(self, label: str, seconds: float) -> None:
        """Nobody looks."""


def main(words: list[str]) -> int:
    """Time every way and print a table; 1 where results differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=24)
    parser.add_argument("--bars", type=int, default=6000)
    parser.add_argument("--nodes", type=int, default=2, help="of the simulated cluster")
    options = parser.parse_args(words)
    settings = load_settings(None, ())
    say(
        f"{options.markets} markets of {options.bars:,} bars; {os.cpu_count()} processors, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    found = [timed("this process", None, settings, options)]
    for count in (1, 2):
        with ray_session(None, count):
            found.append(timed(f"local:{count}", Workers(f"local:{count}", None, count), settings, options))
    with simulated_cluster(options.nodes) as workers:
        found.append(timed(f"cluster of {options.nodes} nodes", workers, settings, options))
    alone = found[0]
    say(f"{'':>20}  {'wall s':>7}  {'ratio':>5}  {'tasks, cpu s':>12}  same bits")
    for each in found:
        same = json.dumps(each.trials) == json.dumps(alone.trials)
        ratio = alone.wall_s / each.wall_s
        say(f"{each.way:>20}  {each.wall_s:7.1f}  {ratio:5.2f}  {each.cpu_s:12.1f}  {'yes' if same else 'NO'}")
    say(f"load at the end {os.getloadavg()[0]:.1f}")
    return 0 if all(json.dumps(each.trials) == json.dumps(alone.trials) for each in found) else 1


def say(line: str) -> None:
    """A line for whoever started this."""
    print(line, flush=True)  # noqa: T201 - the output of this script


def timed(way: str, workers: Workers | None, settings: Settings, options: argparse.Namespace) -> Timed:
    """All tasks done in one way, after one task a process that loads code and compiled kernels."""

    def tasks(name: str, count: int) -> list[Task[tuple[TruthTrial, float]]]:
        return [Task(f"{name} {number}", one_market, (number, options.bars), lambda _: None) for number in range(count)]

    with task_pool(workers, settings, _Silent()) as pool:
        warm = [pool.begin(task) for task in tasks("warm", 1 if workers is None else 2 * max(2, options.nodes))]
        for pending in warm:
            pending.result()
        began = time.perf_counter()
        begun = [pool.begin(task) for task in tasks("market", options.markets)]
        done = [pending.result() for pending in begun]
        wall_s = time.perf_counter() - began
    return Timed(way, wall_s, sum(cpu_s for _, cpu_s in done), [trial for trial, _ in done])


def one_market(place: Workplace[Settings], number: int, n_bars: int) -> tuple[TruthTrial, float]:
    """Task: a market and the processor time it took."""
    began = time.process_time()
    cell, symbol = CELLS[number % len(CELLS)], SYMBOLS[number % len(SYMBOLS)]
    trial = truth_trial(cell, symbol, _SEED + number, n_bars, place.shared)
    return trial, time.process_time() - began


@contextmanager
def simulated_cluster(nodes: int) -> Iterator[Workers]:
    """Ray nodes of one processor each, with a head that does no task, and this process connected to the head."""
    import ray
    from ray.cluster_utils import Cluster

    Path("/tmp/ray").mkdir(exist_ok=True)  # where Ray notes the address of a simulated cluster
    with loopback_environment() as scratch:
        head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": str(scratch), "node_ip_address": "127.0.0.1"}
        cluster: Any = Cluster(initialize_head=True, connect=False, head_node_args=head)
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1")
            ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
            yield Workers("local", None, nodes)
        finally:
            ray.shutdown()
            cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
