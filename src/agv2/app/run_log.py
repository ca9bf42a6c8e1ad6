"""The structured log of a run: one JSON object a line, each with the run it belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from agv2.backtest.trial_ledger import Trial
from agv2.core.errors import AGV2Error
from agv2.utils.logging_config import configure_logging, correlation

__all__ = ["run_log"]


@contextmanager
def run_log(out: Path, trial: Trial) -> Iterator[None]:
    """Append what is logged inside the block to `RUN/folds/run.log`, bound to the trial; say how the block ended.

    Args:
        out: the run's directory.
        trial: what the run tries; its hash is the correlation id, so a resumed run goes on under the same one.
    """
    path = out / "folds" / "run.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = structlog.get_config()
    with path.open("a", encoding="utf-8") as stream, correlation(run=trial.trial_hash[:12]):
        configure_logging(json=True, stream=stream)
        log = structlog.get_logger()
        try:
            log.info("run started", data=trial.data_hash, config=trial.config_digest, seed=trial.seed)
            yield
            log.info("run finished")
        except KeyboardInterrupt:
            log.warning("run interrupted")
            raise
        except AGV2Error as error:
            log.error("run failed", error=str(error))
            raise
        except Exception:
            log.exception("run failed")
            raise
        finally:
            structlog.configure(**before)
