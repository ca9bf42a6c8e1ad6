"""`agv2 doctor`: is everything there, and does it work."""

from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption

__all__ = ["doctor"]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, for programs.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check this machine, your settings and the servers you have configured; nothing is changed, no secret shown.

    Example: agv2 doctor --config config
    """
    from pathlib import Path

    import numpy as np

    from agv2.app.cli.doctor_table import DoctorProgress, plain_examination, print_examination
    from agv2.app.doctor.examination import examine
    from agv2.app.doctor.finding import Status
    from agv2.core.errors import ConfigError
    from agv2.utils.clock import SystemClock
    from agv2.utils.logging_config import configure_logging

    configure_logging(level="CRITICAL")  # what a client logs of a failure is in the table
    with DoctorProgress() as progress:
        found = examine(config, Path(), SystemClock(), np.random.default_rng(), progress.waiting)
    if as_json:
        typer.echo(plain_examination(found))
    else:
        print_examination(found)
    if failed := [each.name for each in found if each.finding.status is Status.FAILED]:
        where = "remedies are in the output" if as_json else "the table says what to do"
        raise ConfigError(f"{len(failed)} of {len(found)} checks failed: {', '.join(failed)}; {where}")
