"""The structured log of a run: one JSON object a line, each with the run it belongs to."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from agv2.backtest.trial_ledger import Trial
from agv2.core.errors import AGV2Error
from agv2.utils.logging_config import configure_logging, correlation

__all__ = ["job_log", "run_log"]


def run_log(out: Path, trial: Trial) -> AbstractContextManager[None]:
    """`job_log` of a run: to `RUN/folds/run.log`, under the trial's hash, so that a resumed run goes on under it.

    Args:
        out: the run's directory.
        trial: what the run tries.
    """
    facts = {"data": trial.data_hash, "config": trial.config_digest, "seed": trial.seed}
    return job_log(out / "folds" / "run.log", "run", trial.trial_hash, facts)


@contextmanager
def job_log(path: Path, job: str, identity: str, facts: Mapping[str, Any]) -> Iterator[None]:
    """Append what is logged inside the block to a file, bound to the job; say how the block ended.

    Args:
        path: the file.
        job: what the job is called.
        identity: hexadecimal digest of what it does: its beginning is the correlation id.
        facts: to write down at the start.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    before = structlog.get_config()
    with path.open("a", encoding="utf-8") as stream, correlation(run=identity[:12]):
        configure_logging(json=True, stream=stream)
        log = structlog.get_logger()
        try:
            log.info(f"{job} started", **facts)
            yield
            log.info(f"{job} finished")
        except KeyboardInterrupt:
            log.warning(f"{job} interrupted")
            raise
        except AGV2Error as error:
            log.error(f"{job} failed", error=str(error))
            raise
        except Exception:
            log.exception(f"{job} failed")
            raise
        finally:
            structlog.configure(**before)
