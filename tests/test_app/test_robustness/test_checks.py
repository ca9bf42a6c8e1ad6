"""A finished run looked at again: every check at the smallest size."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.erasure import Erasure
from agv2.app.fold_tapes import as_policy_sees, unseen_tapes
from agv2.app.fold_training import FoldEncoder, observation_layout
from agv2.app.robustness.ablation import ablations
from agv2.app.robustness.command import check_run
from agv2.app.robustness.subject import Subject, open_run
from agv2.app.robustness.variants import AS_IT_WAS, trade_variants
from agv2.app.settings import load_settings
from agv2.core.errors import ConfigError, DataError
from agv2.features.pipeline import FeatureMatrix
from agv2.utils.config import parse_override

pytestmark = pytest.mark.timeout(900)

SHOWN = {"sharpe", "net_return", "max_drawdown", "trades", "turnover_per_day"}


def silent(*_: object) -> None:
    return None


@pytest.fixture(scope="module")
def checked(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after `agv2 robustness RUN`, with a ledger that nothing was written to before."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("checked") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_HOME", str(run.parent / "home"))
        check_run(run, (), (), (), quiet=True)
    return run


@pytest.fixture(scope="module")
def subject(finished_run: Path) -> Subject:
    return open_run(finished_run, quiet=True)


def found(run: Path, check: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "robustness" / f"{check}.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("check", ["ablation", "sensitivity", "seeds"])
def test_what_is_changed_is_held_against_the_runs_own_account_to_the_bit(checked: Path, check: str) -> None:
    document = found(checked, check)
    assert document["largest_difference"] == 0.0
    summary = json.loads((checked / "summary.json").read_text(encoding="utf-8"))
    assert {key: document["base"][key] for key in SHOWN} == {key: summary["oos"][key] for key in SHOWN}


def test_looking_is_no_trial_and_changes_nothing_of_the_result(checked: Path, finished_run: Path) -> None:
    assert list((checked.parent / "home").rglob("trials/*/*.json")) == []
    for name in ("summary.json", "provenance.json"):
        assert (checked / name).read_bytes() == (finished_run / name).read_bytes()
    for check in ("stress", "ablation", "sensitivity", "seeds"):
        assert found(checked, check)["trials_recorded"] == 0
        assert "not recorded as trials" in found(checked, check)["about_trials"]


def test_the_same_run_gives_the_same_files_but_for_the_time_they_took(checked: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(checked, tmp_path / "run"))
    check_run(again, ["stress", "seeds"], (), (), quiet=True)
    for check in ("stress", "seeds"):
        assert {**found(again, check), "runtime_s": 0} == {**found(checked, check), "runtime_s": 0}


def test_other_costs_are_those_that_a_run_with_these_settings_would_trade_at(subject: Subject, checked: Path) -> None:
    plan = subject.plan
    half_spread = plan.markets[0].costs.half_spread_frac
    override = parse_override(f"costs.default.half_spread_frac={2.0 * half_spread!r}")
    settings = load_settings(plan.request.out / "config", [override])
    dear = replace(plan.markets[0], costs=settings.costs.entry("TREND")[0].costs())
    other = replace(subject, plan=replace(plan, markets=(dear,)))
    account = trade_variants(other, [AS_IT_WAS], silent, silent)[AS_IT_WAS.name].account
    rows = {(row["parameter"], row["setting"]): row for row in found(checked, "sensitivity")["rows"]}
    assert rows["half spread", "× 2"]["net_return"] == account.oos.report.net_return
    assert rows["half spread", "× 2"]["net_return"] != found(checked, "sensitivity")["base"]["net_return"]


def test_the_grid_holds_the_run_itself_where_nothing_is_multiplied(checked: Path) -> None:
    grid, base = found(checked, "sensitivity")["grid"], found(checked, "sensitivity")["base"]
    row, column = grid["cost_multiples"].index(1.0), grid["volatility_multiples"].index(1.0)
    assert grid["sharpe"][row][column] == base["sharpe"]
    free, dear = grid["sharpe"][0][column], grid["sharpe"][-1][column]
    assert free > base["sharpe"] > dear, "the smallest policy trades at random, and pays for it"


def test_erased_features_say_nothing_whatever_they_are(subject: Subject) -> None:
    market, models = subject.plan.markets[0], subject.models(1)
    columns = next(one for one in ablations(market.features.columns) if one.name == "levels").erasure.features
    blind = FoldEncoder(models.encoder.normalizer.erasing(columns), models.encoder.pretrained)
    values = market.features.values.copy()
    values[:, columns] = np.random.default_rng(1).permutation(values[:, columns])
    features = FeatureMatrix(market.features.columns, np.nan_to_num(values), market.features.sigma)
    scrambled = replace(subject.plan, markets=(replace(market, features=features),))

    def rows(plan: Any, encoder: FoldEncoder) -> Any:
        (tape,) = unseen_tapes(plan, models.folds, encoder, silent)
        return tape.market_rows

    assert np.array_equal(rows(subject.plan, blind), rows(scrambled, blind))
    assert not np.array_equal(rows(subject.plan, models.encoder), rows(scrambled, models.encoder))


def test_every_feature_belongs_to_one_family_and_context_timeframes_to_one_more(subject: Subject) -> None:
    columns = subject.plan.markets[0].features.columns
    taken = ablations(columns)
    families = [one.erasure.features for one in taken if one.kind == "features" and not one.name.startswith("context")]
    assert sorted(place for family in families for place in family) == list(range(len(columns)))
    contexts = [one.erasure.features for one in taken if one.name.startswith("context")]
    assert len(contexts) == 2
    assert all(columns[place].timeframe != "1h" for context in contexts for place in context)


def test_an_erased_head_is_its_usual_self_and_an_erased_embedding_nothing(subject: Subject) -> None:
    models, slices = subject.models(1), observation_layout(subject.plan.settings.encoder).slices()
    tapes = unseen_tapes(subject.plan, models.folds, models.encoder, silent)
    plan = replace(subject.plan, erased=Erasure(inputs=("embedding", "regime")))
    (tape,) = as_policy_sees(plan, models.folds, models.encoder, tapes, silent)
    for name, (first, stop) in slices.items():
        if stop > tape.market_rows.shape[1]:
            continue
        now, before = tape.market_rows[:, first:stop], tapes[0].market_rows[:, first:stop]
        if name in ("embedding", "regime"):
            assert (now == now[0]).all()
            assert not np.array_equal(now, before)
        else:
            assert np.array_equal(now, before)
    first, stop = slices["regime"]
    assert tape.market_rows[0, first:stop].sum() == pytest.approx(1.0, abs=1e-5), (
        "usual probabilities are probabilities"
    )
    assert not tape.market_rows[:, : slices["embedding"][1]].any()


def test_without_its_encoder_a_policy_that_reads_no_embedding_misses_its_heads(checked: Path) -> None:
    document = found(checked, "ablation")
    rows = {row["name"]: row for row in document["rows"]}
    assert not document["reads_embedding"]
    assert rows["embedding"]["net_return"] == document["base"]["net_return"]
    assert rows["encoder off"]["net_return"] == rows["all heads"]["net_return"] != document["base"]["net_return"]
    assert all(row["difference"] is None for row in document["rows"]), "seven days are too few for an interval"


def test_one_seed_alone_is_the_ensemble(checked: Path) -> None:
    document = found(checked, "seeds")
    assert [row["name"] for row in document["rows"]] == ["seed 1"]
    assert document["rows"][0]["fold_returns"] == document["base"]["fold_returns"]


def test_the_report_shows_what_was_found_and_asks_for_the_rest(checked: Path, finished_run: Path) -> None:
    page = (checked / "report.html").read_text(encoding="utf-8")
    for title in ("Crises", "Other costs and limits", "Without its parts", "Seed by seed"):
        assert f"<h3>{title}</h3>" in page
    assert "Not looked at yet" not in page
    before = (finished_run / "report.html").read_text(encoding="utf-8")
    assert "Not looked at yet: crises, other costs and limits, ablations" in before


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name the --out directory of a finished run"):
        check_run(tmp_path, (), (), (), quiet=True)


def test_bars_that_moved_are_named_and_others_refused(copy_of_run: Path, market_files: dict[str, Path]) -> None:
    path = copy_of_run / "provenance.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["bars"][0]["path"] = "gone_1h.parquet"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"gone_1h.parquet: the run's bars are not there; say where they are with --bars"
    ):
        open_run(copy_of_run)
    with pytest.raises(DataError, match="not the bars that the run was made on"):
        open_run(copy_of_run, [market_files["XAUUSD"]])
    with pytest.raises(DataError, match="2 files, the run has 1 markets"):
        open_run(copy_of_run, list(market_files.values()))
    assert open_run(copy_of_run, [market_files["TREND"]]).n_folds == 1


def test_a_fold_without_its_models_is_named(copy_of_run: Path) -> None:
    (copy_of_run / "folds/1/policy_0.json").unlink()
    with pytest.raises(DataError, match="lacks the models of the fold"):
        check_run(copy_of_run, ["seeds"], (), (), quiet=True)
    assert not (copy_of_run / "robustness").exists()


def test_a_run_that_somebody_works_on_is_left_alone(copy_of_run: Path) -> None:
    with open_run(copy_of_run).store.locked(), pytest.raises(ConfigError, match="another agv2 is working on this run"):
        check_run(copy_of_run, ["seeds"], (), (), quiet=True)
