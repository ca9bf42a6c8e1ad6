"""A whole run told to MLflow: begun with it, filled from its directory when that is finished, registered at the end."""

import contextlib
import datetime
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agv2.app.progress import waiting
from agv2.app.run_comparison import every_setting
from agv2.app.tracking.registry import register_bundle
from agv2.app.tracking.server import Tracker
from agv2.app.tracking.tracked_work import TrackedWork
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.report.reading import RunRecord, read_run
from agv2.models.bundle import ModelBundle

__all__ = ["TELLING", "tell_finished_run", "tell_run", "told_run"]

TELLING = "telling MLflow"
"""Name of the stage."""
_MARK = "folds/mlflow.json"
"""File of a run's directory: by which id MLflow knows it."""
_BUNDLE = "bundle"
_KINDS = ("encoder", "rl_policy", "risk", "backtest", "profile", "seed", "symbols")


@contextlib.contextmanager
def told_run(
    tracker: Tracker | None, out: Path, known: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[TrackedWork | None]:
    """The MLflow run of a run for the length of the block, the same one when it is resumed; None without a tracker.

    Args:
        tracker: from `open_tracker`.
        out: the run's directory.
        known: what the run depends on and is known before it begins.
        tell: told once if the server cannot be told any more.
    """
    if tracker is None:
        yield None
        return
    remedy = f"agv2 report {out} --mlflow tells it once the run is finished"
    work = TrackedWork(tracker, lambda text: tell(f"{text}; {remedy}"), "run")
    work.begin(out.resolve().name, known, _kept_id(out))
    if work.run_id is not None:
        (out / _MARK).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out / _MARK, json.dumps({"run_id": work.run_id}))
    with work.lasting():
        yield work


def tell_run(work: TrackedWork, out: Path) -> str | None:
    """Tell what a finished run found, keep its files, and register its bundle. Told again, nothing is there twice.

    Args:
        work: its run of MLflow.
        out: its directory.

    Returns:
        The version of its model; None where the server did not take it.

    Raises:
        DataError: the directory holds no finished run.
        BundleError: its bundle was changed.
    """
    record, bundle = read_run(out), ModelBundle.load(out / _BUNDLE)
    at_ns = _stamp_ns(record.provenance["finished"])
    work.parameters(_parameters(record))
    work.tags(_tags(record))
    work.facts(_measures(record), 0, at_ns)
    for number, fold in enumerate(record.folds, start=1):
        work.facts(_of_fold(fold), int(fold.get("fold", number)), at_ns)
    for name in ("report.html", "summary.json", "provenance.json"):
        work.file(out / name)
    if (out / "oos" / "saliency.parquet").is_file():
        work.file(out / "oos" / "saliency.parquet", "oos")
    for path in (*sorted((out / "config").iterdir()), *sorted((out / "robustness").glob("*.json"))):
        work.file(path, path.parent.name)
    work.directory(out / _BUNDLE, _BUNDLE)
    if (run_id := work.run_id) is None:
        return None
    tags = {"verdict": record.summary["verdict"], "made_by": "agv2 run"}
    return work.carefully(lambda: register_bundle(work.tracker.client, run_id, _BUNDLE, bundle, tags))


def tell_finished_run(tracker: Tracker, out: Path, tell: Callable[[str], None], *, quiet: bool = False) -> str | None:
    """Tell a run that was finished before, as `tell_run` does.

    Args:
        tracker: from `open_tracker`.
        out: the run's directory.
        tell: told if the server does not take everything.
        quiet: show nothing meanwhile.

    Returns:
        The version of its model; None where the server did not take everything.
    """
    with waiting(TELLING, quiet=quiet), told_run(tracker, out, {}, tell) as told:
        assert told is not None, "there is a tracker"
        version = tell_run(told, out)
    return version if told.run_id is not None else None


def _kept_id(out: Path) -> str | None:
    try:
        return str(json.loads((out / _MARK).read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parameters(record: RunRecord) -> dict[str, str]:
    """Digests, code and bars, and the settings that make a run what it is; markets and costs are among the files."""
    found = record.provenance
    told = {
        "config_digest": found["config_digest"],
        "data_digest": found["data_digest"],
        "code.version": found["code"]["version"],
        "code.sources": found["code"]["sources"],
        "timeframe": found["bars"][0]["timeframe"],
        "trials_counted": str(found["n_trials"]),
    }
    for source in found["bars"]:
        told |= {f"bars.{source['symbol']}.{key}": str(source[key]) for key in ("n_bars", "first_ts", "last_ts")}
    profiles = f"backtest.profiles.{record.summary['profile']}."
    for name, value in every_setting(record).items():
        if name.split(".")[0] in _KINDS and (not name.startswith("backtest.profiles.") or name.startswith(profiles)):
            told[name] = str(value)
    return told


def _tags(record: RunRecord) -> dict[str, str]:
    commit = record.provenance["code"]["commit"]
    return {
        "verdict": record.summary["verdict"],
        "symbols": ", ".join(record.summary["symbols"]),
        "profile": record.summary["profile"],
        "mlflow.note.content": record.summary["verdict_text"],
        **({"mlflow.source.git.commit": commit} if commit else {}),
    }


def _measures(record: RunRecord) -> dict[str, float]:
    """`oos/…`, `significance/…`, `baseline/NAME/…` and, of several symbols, `symbol/NAME/…`."""
    summary = record.summary
    groups = {"oos": summary["oos"], "significance": summary["significance"]}
    groups |= {f"baseline/{_plain(name)}": values for name, values in summary["baselines"].items()}
    if len(summary["per_symbol"]) > 1:
        groups |= {f"symbol/{_plain(name)}": values for name, values in summary["per_symbol"].items()}
    return {f"{group}/{name}": value for group, values in groups.items() for name, value in _numbers(values).items()}


def _of_fold(fold: Mapping[str, Any]) -> dict[str, float]:
    told = {f"fold/{name}": value for name, value in _numbers(fold).items() if name != "fold"}
    told |= {f"fold/policy/{name}": value for name, value in _numbers(fold.get("policy", {})).items()}
    for head in fold.get("encoder", ()):
        told |= {
            f"fold/encoder/{head['head']}/{name}": value
            for name, value in _numbers(head).items()
            if name in ("score", "baseline")
        }
    return told


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _plain(name: str) -> str:
    """A name that MLflow takes for a metric."""
    return "".join(each if each.isalnum() or each in "_-. " else "_" for each in name)


def _stamp_ns(iso: str) -> int:
    return int(datetime.datetime.fromisoformat(iso).timestamp() * 1000) * 1_000_000
