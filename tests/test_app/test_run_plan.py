from pathlib import Path

import pytest

from agv2.app.run_plan import RunRequest, make_plan
from agv2.data.bars_file import write_bars
from agv2.utils.config import parse_override
from tests.markets import gappy_bars


@pytest.mark.parametrize(
    ("settings", "is_said"),
    [
        (["encoder.backbone=lstm"], True),
        (["encoder.backbone=lstm", "encoder.lstm.rows_per_start=1"], False),
        ([], False),
    ],
)
def test_a_report_says_where_embeddings_are_approximate(
    settings: list[str], is_said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_SMOKE", "1")
    file = tmp_path / "TEST_1h.parquet"
    write_bars(gappy_bars(3_000), file)
    overrides = tuple(parse_override(text) for text in settings)
    plan = make_plan(RunRequest(bars=(file,), out=tmp_path / "run", profile="quick", seed=7, overrides=overrides))
    assert any("close to those of single windows" in note for note in plan.notes) == is_said
