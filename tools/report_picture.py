"""Draw docs/img/report.png: the tops of the reports of finished runs, side by side, as a browser shows them.

Usage: python -m tools.report_picture RUN... [--out FILE]

The picture that ships is of `agv2 demo`: python -m tools.report_picture runs/demo/trend runs/demo/noise
Needs the extras `playwright` and `jupyterlab` (for pillow), and Chromium on the PATH.
"""

import argparse
import base64
import io
import shutil
import sys
from pathlib import Path

__all__ = ["main", "report_picture"]

_PAGE = Path(__file__).resolve().parents[1] / "docs/img/report.png"
_WIDTH, _HEIGHT, _SHOWN = 980, 1500, 0.6
"""Of each report, in CSS pixels, and the share of that size at which it is shown."""
_COLOURS = 128  # a third of the bytes, and nothing that an eye would miss
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def report_picture(runs: list[Path], out: Path) -> None:
    """Write the picture.

    Args:
        runs: directories of finished runs, left to right.
        out: the PNG.

    Raises:
        SystemExit: a run has no report, or there is no Chromium.
    """
    from PIL import Image
    from playwright.sync_api import sync_playwright

    missing = [str(run) for run in runs if not (run / "report.html").is_file()]
    program = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if missing or program is None:
        sys.exit(f"no report.html in {', '.join(missing)}" if missing else "needs Chromium on the PATH")
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        tops = []
        for run in runs:
            page.goto((run / "report.html").resolve().as_uri())
            tops.append(base64.b64encode(page.screenshot()).decode())
        width, height = round(_WIDTH * _SHOWN), round(_HEIGHT * _SHOWN)
        pictures = "".join(
            f'<img src="data:image/png;base64,{top}" style="width:{width}px;border:1px solid #ccc">' for top in tops
        )
        page.set_viewport_size({"width": len(tops) * (width + 14) + 12, "height": height + 26})
        page.set_content(f'<body style="margin:12px;display:flex;gap:12px;background:#fff">{pictures}</body>')
        whole = page.screenshot()
        browser.close()
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(whole)).convert("RGB").quantize(_COLOURS).save(out, optimize=True)


def main(arguments: list[str]) -> int:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(prog="python -m tools.report_picture", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, default=_PAGE)
    options = parser.parse_args(arguments)
    report_picture(options.runs, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
