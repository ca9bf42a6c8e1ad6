"""The commands of `agv2 data`, gathered."""

import typer

from agv2.app.cli.data import check, download, export, import_bars, status, stream, sync, synth

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Get bars, keep them, check them, make them."""


app.command(name="download")(download.download)
app.command(name="import")(import_bars.import_bars)
app.command(name="check")(check.check)
app.command(name="export")(export.export)
app.command(name="status")(status.status)
app.command(name="stream")(stream.stream)
app.command(name="sync")(sync.sync)
app.command(name="synth")(synth.synth)
