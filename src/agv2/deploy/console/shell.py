"""The files of the console page, which hold no data and may therefore be read without a token."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI, Response

__all__ = ["SHELL_PATHS", "mount_console"]

_PAGE = files("agv2.deploy.console") / "page"
_REPORT_STYLE = files("agv2.backtest.report") / "templates" / "report.css"  # not by `report.assets`: it loads Jinja
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",  # a token typed into the form leaves it by our script alone, never in an address
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # nothing that the service tells can become markup
    )
)
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

SHELL_PATHS = frozenset("/" if each.name == "page.html" else f"/console/{each.name}" for each in _PAGE.iterdir())
"""Where they are found: whatever lies in `page/` is open, and nothing else of the console is."""


def mount_console(app: FastAPI, _: object) -> None:
    """Add the page to an application of `server.create_app`."""
    for path in sorted(SHELL_PATHS):
        name = path.removeprefix("/console/") if path != "/" else "page.html"
        app.add_api_route(path, _answering(name), include_in_schema=False, methods=["GET", "HEAD"])


def _answering(name: str) -> Callable[[], Awaitable[Response]]:
    text = (_PAGE / name).read_text(encoding="utf-8")
    if name.endswith(".css"):  # colours, charts and tables are those of the report
        text = _REPORT_STYLE.read_text(encoding="utf-8") + text
    media_type, body = _TYPES[name.rpartition(".")[2]], text.encode()

    async def answer() -> Response:
        return Response(body, media_type=media_type, headers={"Content-Security-Policy": _POLICY})

    return answer
