"""Hooks of the documentation site: pages that live outside docs/, and links to sources that stay on the machine.

Pages here link to files of the repository, as their readers in an editor and in a code browser expect. On the site such
a file is a page of its own, made when something links to it.
"""

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

__all__ = ["FENCED", "on_files", "on_page_markdown", "with_site_links"]

_ROOT = Path(__file__).resolve().parents[1]
_RECORDS = "docs/adr"
_PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    _RECORDS: "adr/index.md",
}
"""What the repository keeps elsewhere than the site does, and where the site has it."""
_SHOWN_BYTES = 200_000
_LEXERS = {".json": "json", ".py": "python", ".sql": "sql", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
FENCED = re.compile(r"(^(?P<fence>```+).*?^(?P=fence)$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages of the root, and one for everything outside docs/ that a page links to."""
    from mkdocs.structure.files import File, InclusionLevel

    for path, uri in _PAGES.items():
        text = _records() if path == _RECORDS else (_ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    waiting = [path for file in files.documentation_pages() for path in _linked(file.content_string, file.src_uri)]
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        uri = _uri(path)
        if path in done or not uri.startswith("sources/"):
            continue
        done.add(path)
        if uri.endswith(".md"):
            text = _source_page(path)
            files.append(File.generated(config, uri, content=text, inclusion=InclusionLevel.NOT_IN_NAV))
            waiting += _linked(text, uri)
        else:
            files.append(File.generated(config, uri, abs_src_path=str(_ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """The page as the site shows it."""
    return with_site_links(markdown, page.file.src_uri)


def with_site_links(markdown: str, uri: str) -> str:
    """The text of a page with links between files of the repository turned into links between pages of the site.

    Args:
        markdown: the page as it is kept.
        uri: where the site has it, such as `adr/0001-x.md`.
    """
    here = posixpath.dirname(uri)

    def on_site(link: re.Match[str]) -> str:
        return posixpath.relpath(_uri(_target(link[1], uri)), here or ".")

    parts = FENCED.split(markdown)  # text, a fenced block, its fence, text, …
    return "".join(_LINK.sub(on_site, part) if k % 3 == 0 else part for k, part in enumerate(parts) if k % 3 < 2)


def _linked(markdown: str, uri: str) -> list[str]:
    """Paths within the repository that a page links to."""
    return [_target(link, uri) for link in _LINK.findall(FENCED.sub("", markdown))]


def _target(link: str, uri: str) -> str:
    kept = {there: path for path, there in _PAGES.items()}
    if uri.startswith("sources/"):
        page = uri.removeprefix("sources/").removesuffix(".md")
    else:
        page = kept.get(uri, f"docs/{uri}")
    base = page if page == _RECORDS else posixpath.dirname(page)
    return posixpath.normpath(posixpath.join(base, link))


def _uri(path: str) -> str:
    """Where the site has a file or directory of the repository."""
    if path in _PAGES:
        return _PAGES[path]
    place = _ROOT / path
    if path.startswith("docs/") and not place.is_dir():
        return path.removeprefix("docs/")
    shown = place.is_dir() or (place.suffix != ".ipynb" and place.stat().st_size <= _SHOWN_BYTES)
    return f"sources/{path}" + (".md" if shown else "")


def _source_page(path: str) -> str:
    place = _ROOT / path
    if place.is_dir():
        names = sorted(each.name for each in place.iterdir() if not each.name.startswith((".", "_")))
        return f"# {path}\n\n" + "".join(f"- [{name}]({place.name}/{name})\n" for name in names)
    text = place.read_text(encoding="utf-8")
    return f"# {path}\n\n``````{_LEXERS.get(place.suffix, 'text')}\n{text}\n``````\n"


def _records() -> str:
    pages = sorted((_ROOT / _RECORDS).glob("*.md"))
    titles = [page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for page in pages]
    rows = "".join(f"- [{title}]({page.name})\n" for page, title in zip(pages, titles, strict=True))
    return f"# Decision records\n\nWhat was decided that a newcomer would question, and why.\n\n{rows}"
