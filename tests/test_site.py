"""The documentation site is built without a warning, its links lead somewhere, and it asks nobody else for anything."""

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.browsers import browser
from tools.site_hooks import with_site_links

__all__ = ["browser"]

ROOT = Path(__file__).resolve().parents[1]
LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("adr/0001-x.md", "../policy.md#how", "../policy.md#how"),
        ("index.md", "docs/adr", "adr/index.md"),
        ("index.md", "docs/img/report.png", "img/report.png"),
        ("howto/own_broker.md", "../../src/agv2/execution/ports.py", "../sources/src/agv2/execution/ports.py.md"),
        ("howto/own_broker.md", "../../tests/contracts", "../sources/tests/contracts.md"),
        ("project/contributing.md", "ARCHITECTURE.md", "architecture.md"),
        ("policy.md", "../README.md#results", "index.md#results"),
        ("policy.md", "../notebooks/04_rl_diagnostics.ipynb", "sources/notebooks/04_rl_diagnostics.ipynb"),
        ("sources/ops/prometheus.md", "prometheus/alerts.yaml", "prometheus/alerts.yaml.md"),
        ("faq.md", "https://example.com/a.md", "https://example.com/a.md"),
        ("faq.md", "#here", "#here"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(page: str, link: str, expected: str) -> None:
    fenced = f"```\n[a]({link})\n```"
    assert with_site_links(f"[a]({link})\n\n{fenced}", page) == f"[a]({expected})\n\n{fenced}"


@dataclass
class Page(HTMLParser):
    """What an HTML page links to, what it loads by itself, and the places in it that may be linked to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif (tag, name) in LOADED and value:
                self.loaded.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs docs: python bootstrap.py test --with docs")
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]  # quiet, it is not strict
    result = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    read = {}
    for path in sorted(site.rglob("*.html")):
        read[path] = Page()
        read[path].feed(path.read_text(encoding="utf-8"))
    return read


def test_every_link_leads_to_a_page_and_a_place_on_it(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 100
    lost = []
    for path, page in pages.items():
        base = site if path.name == "404.html" else path.parent
        for link in {*page.links, *page.loaded}:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_no_page_loads_anything_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    foreign = [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc]
    for style in site.rglob("*.css"):
        foreign += re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", style.read_text(encoding="utf-8"))
    assert foreign == []


def test_the_reference_has_the_docstrings(pages: dict[Path, Page]) -> None:
    anchors = {anchor for page in pages.values() for anchor in page.anchors}
    for name in (
        "agv2.execution.ports.Broker.submit",
        "agv2.features.pipeline.compute_features",
        "agv2.backtest.verdict.give_verdict",
        "agv2.sim.costs.fill_price",
    ):
        assert name in anchors


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_reader_finds_a_word_and_nobody_else_hears_of_it(address: str, browser: Any) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{address}/index.html")
    page.keyboard.press("/")
    page.keyboard.type("TradeLocker", delay=10)
    page.locator(".md-search-result__link", has_text="TradeLocker").first.wait_for()
    assert page.locator("img[alt^='Two reports']").evaluate("image => image.naturalWidth") > 1000
    assert [url for url in asked if urlsplit(url).hostname != "127.0.0.1"] == []
    page.close()
