"""Links lead somewhere, named files exist, commands are real."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ids = [path.relative_to(ROOT).as_posix() for path in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in text.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = target.partition("#")
        if target.startswith("http"):
            continue
        assert (page.parent / path).exists(), target
        assert not heading or path or heading in headings, target


def test_the_map_names_modules_that_exist() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## To change X")[1]
    paths = [path for path in re.findall(r"`([a-z_]+/[\w./]*)`", table) if "<" not in path]
    assert len(paths) > 15
    missing = [path for path in paths if not (ROOT / path).exists() and not (ROOT / "src/agv2" / path).exists()]
    assert missing == []


def test_dotted_names_in_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "src/agv2").glob("*/__init__.py")}
    for dotted in re.findall(r"`([a-z_]+(?:\.\w+)+)`", text):
        package, module, *names = dotted.split(".")
        if package not in packages:
            continue
        path = ROOT / "src/agv2" / package / module
        source = path.with_suffix(".py")
        assert source.is_file() or path.is_dir(), dotted
        if names:
            assert re.search(rf"^(?:class|def) {names[0]}\b", source.read_text(encoding="utf-8"), re.MULTILINE), dotted


def test_decisions_are_numbered_without_gaps_and_have_their_parts() -> None:
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Refused", "Consequences")), page.name


def test_make_targets_named_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|\$ )make ([a-z0-9-]+)", page.read_text("utf-8"))}
    assert named
    assert named <= targets


def test_ignored_paths_never_hide_a_package() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    names = {path.name for path in [*(ROOT / "src").rglob("*"), ROOT / "config", ROOT / "tests"] if path.is_dir()}
    floating = {line.strip("/") for line in lines if line and not line.startswith(("#", "/"))}
    assert floating & (names - {"__pycache__"}) == set()
