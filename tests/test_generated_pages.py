"""Pages that are written from the sources say what the sources say."""

import re

from agv2.app.doctor.settings_files import SETTINGS_MODELS
from tools.cli_page import cli_page
from tools.cli_page import main as keep_cli_page
from tools.generated_page import keep_page
from tools.settings_page import main as keep_settings_page
from tools.settings_page import settings_page


def test_the_page_of_commands_is_up_to_date() -> None:
    assert keep_cli_page(["--check"]) == 0, "run: python -m tools.cli_page"


def test_it_has_every_command_with_its_options() -> None:
    page = cli_page()
    sections = dict(re.findall(r"^## (agv2 [^\n]*)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    assert {"agv2 run", "agv2 data import", "agv2 train policy", "agv2 kill"} <= set(sections)
    assert "| `--bars FILE...` | Parquet bars; several files are one portfolio. **Required.** |" in sections["agv2 run"]
    assert "<code>--profile &lt;quick&#124;standard&#124;thorough&gt;</code>" in sections["agv2 run"]
    assert not re.search(r"`[^`\n]*\\\|", page), "Markdown of the site shows a backslash within code"
    assert "--profile" not in sections["agv2 data import"]


def test_the_page_of_settings_is_up_to_date() -> None:
    assert keep_settings_page(["--check"]) == 0, "run: python -m tools.settings_page"


def test_it_has_every_file_and_says_what_may_stand_there() -> None:
    page = settings_page()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == sorted(SETTINGS_MODELS)
    for row in (
        "| `SYMBOL.slippage_frac` | number ≥ 0, < 0.5 | `0.00005` | "
        "beyond half the spread, on market orders and stops |",
        "| `window` | `expanding`, `rolling` | `expanding` | expanding \\| rolling |",
        "| `SYMBOL.hourly_spread` | list of number > 0, ≤ 100, or `null` | `null` | "
        "hourly: 24 multiples of half_spread_frac, see above |",
        "| `hindsight.blocks` | whole number ≥ 2 | `3` | of the training bars, each left out once |",
    ):
        assert f"{row}\n" in page


def test_a_changed_page_is_noticed() -> None:
    assert keep_page("reference/commands.md", cli_page() + "more", "tools.cli_page", ["--check"]) == 1
