"""A drift report drawn by Evidently, an optional package."""

import os
import warnings
from pathlib import Path

from agv2.app.drift_report import DriftReport
from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import ConfigError

__all__ = ["require_evidently", "write_evidently_page"]

_MOST_ROWS = 5000
_INSTALL = "Evidently is not installed: python bootstrap.py install --with evidently"


def require_evidently() -> None:
    """Say what is missing before anything long is done.

    Raises:
        ConfigError: the package is not installed.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently reports its use to its makers unless told not to
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports names that numpy has deprecated
            import evidently  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--html: {_INSTALL}") from error


def write_evidently_page(report: DriftReport, path: Path, n_features: int) -> None:
    """Write the page of the features that have strayed furthest; PSI as Evidently bins it, on a sample of the training.

    Its bins and so its numbers differ from those of the guard, which alone decides.

    Args:
        report: of the bars.
        path: of the page.
        n_features: how many to show, >= 1.

    Raises:
        ConfigError: the package is not installed.
    """
    require_evidently()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import Report
        from evidently.presets import DataDriftPreset

        shown = [drift.name for drift in report.drifts[:n_features]]
        every = -(-len(report.rows) // _MOST_ROWS)
        live = pd.DataFrame(report.rows[::every], columns=list(report.reference.columns))[shown]
        trained = pd.DataFrame(report.reference.sample, columns=list(report.reference.columns))[shown]
        page = Report([DataDriftPreset(columns=shown, num_method="psi")]).run(live, trained)
        write_atomically(path, page.get_html_str(as_iframe=False))
