"""Measure what cross-fitted head predictions change: one fold, its policy trained on them and on in-sample ones.

    python tools/cross_fitting.py --seeds 7 8 bars/XAUUSD_1h.parquet bars/NAS100_5m.parquet ...
    python tools/cross_fitting.py --seeds 7 8 --synthetic trend

Per file and seed, on the last fold of `agv2 run --profile quick`: each head's loss on the rows that taught the fold's
encoder, by that encoder and by those of the other blocks, and on its later scoring rows; then both policies' Sharpe
ratios, annualised, on the training bars with either predictions, on the bars that choose their weights (each with its
own) and on the fold's test bars. Nothing is chosen by these numbers; every pair that was run is printed.
"""

import argparse
import math
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import torch

from agv2.app.cross_fitting import block_steps, cross_fitted_losses, cross_fitted_outputs
from agv2.app.fold_training import FoldEncoder, fit_encoder, make_tapes
from agv2.app.policy_fitting import fit_policy, in_pieces, policy_spans
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.backtest.tape import MarketTape
from agv2.backtest.walk_forward import Fold
from agv2.data.bars_file import write_bars
from agv2.data.synthetic import synthetic_bars
from agv2.models.policy import PolicyNetwork
from agv2.rl.episodes import Span
from agv2.rl.policy_adapter import TorchPolicy
from agv2.rl.validation import SpanScore, score_policy
from agv2.utils.config import parse_override
from agv2.utils.seeding import spawn_seed

SYNTHETIC_BARS = 24_000


class Tapes(NamedTuple):
    """One fold's market with three kinds of predictions."""

    in_sample: list[MarketTape]
    cross_fitted: list[MarketTape]
    tested: list[MarketTape]


def fit_both(plan: RunPlan, folds: list[Fold], seed: int) -> tuple[FoldEncoder, Tapes, dict[str, float]]:
    """The fold's encoder, tapes with its own and with cross-fitted predictions, and the losses of the latter."""

    def fit(name: str, steps: int, **left_out: object) -> FoldEncoder:
        own = spawn_seed(seed, f"encoder {name}")
        return fit_encoder(plan.markets, folds, plan.settings, steps, own, lambda *_: None, **left_out)  # type: ignore[arg-type]  # only `left_out`

    blocks, steps = plan.blocks_of(folds), plan.profile.encoder_steps
    encoder = fit("fold", steps)
    others = [
        fit(f"block {number}", block_steps(plan.markets, folds, plan.settings, block, steps), left_out=block)
        for number, block in enumerate(blocks)
    ]
    outputs = cross_fitted_outputs(plan.markets, folds, encoder, blocks, others)
    tapes = Tapes(
        make_tapes(plan.markets, [fold.train_hi for fold in folds], encoder),
        [
            market.tape(fold.train_hi, said.rows())
            for market, fold, said in zip(plan.markets, folds, outputs, strict=True)
        ],
        make_tapes(plan.markets, [fold.test_hi for fold in folds], encoder),
    )
    return encoder, tapes, cross_fitted_losses(plan.markets, folds, plan.settings, outputs)


def study(plan: RunPlan, seed: int, *, policies: bool) -> None:
    """Print everything about one file and seed."""
    folds = [own[-1] for own in plan.folds]
    encoder, tapes, losses = fit_both(plan, folds, seed)
    print(f"  seed {seed}: encoder kept step {encoder.pretrained.best_step} of {encoder.pretrained.steps}")
    for score in encoder.pretrained.scores:
        if score.head in losses:
            crossed = 100.0 * (losses[score.head] / score.train_score - 1.0)
            print(
                f"    {score.head:<10} {score.measure:<9} in-sample {score.train_score:.4f}   cross-fitted "
                f"{losses[score.head]:.4f} ({crossed:+.1f} %)   scoring rows {score.score:.4f}",
                flush=True,
            )
    if policies:
        compare_policies(plan, folds, tapes, seed)


def compare_policies(plan: RunPlan, folds: list[Fold], tapes: Tapes, seed: int) -> None:
    """Print what a policy of each kind of predictions is worth."""
    per_year = math.sqrt(max(market.bars_per_year for market in plan.markets))
    train, validation = policy_spans(plan, folds)
    pieces = in_pieces(train, validation)
    test = [Span(index, fold.test_lo, fold.test_hi - 1) for index, fold in enumerate(folds)]
    for name, own in (("in-sample", tapes.in_sample), ("cross-fitted", tapes.cross_fitted)):
        chance = spawn_seed(plan.request.seed, f"policy {seed}")
        network, facts, *_ = fit_policy(plan, own, folds, chance, None, lambda *_: None)

        def scored(bars: list[MarketTape], spans: list[Span], network: PolicyNetwork = network) -> SpanScore:
            return score_policy(bars, spans, TorchPolicy(network), plan.initial_equity)

        figures = {
            "training, in-sample": scored(tapes.in_sample, pieces).sharpe_per_bar,
            "training, cross-fitted": scored(tapes.cross_fitted, pieces).sharpe_per_bar,
            "validation": facts["validation_sharpe_per_bar"],
        }
        tested = scored(tapes.tested, test)
        shown = "   ".join(f"{what} {value * per_year:+.2f}" for what, value in figures.items())
        print(
            f"    policy on {name:<12} {shown}   test {tested.sharpe_per_bar * per_year:+.2f} "
            f"({math.expm1(tested.log_growth):+.1%}, {tested.fills} fills)",
            flush=True,
        )


def main() -> None:
    """Print a block a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bars", nargs="*", type=Path)
    parser.add_argument("--synthetic", choices=["trend", "noise"], help="a market made here, for each seed another")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8])
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--blocks", type=int, help="instead of the profile's number")
    parser.add_argument("--heads-alone", action="store_true", help="train no policy")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    profile, policies = arguments.profile, not arguments.heads_alone
    blocks = f"backtest.profiles.{profile}.cross_fit_blocks={arguments.blocks}"
    overrides = (parse_override(blocks),) if arguments.blocks else ()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        for path in arguments.bars:
            print(path.name)
            for seed in arguments.seeds:
                request = RunRequest((path,), out, profile=profile, overrides=overrides, accept_defects=True)
                study(make_plan(request), seed, policies=policies)
        for seed in arguments.seeds if arguments.synthetic else ():
            file = Path(folder) / f"{arguments.synthetic.upper()}_1h.parquet"
            write_bars(synthetic_bars(arguments.synthetic, SYNTHETIC_BARS, seed), file)
            print(f"{SYNTHETIC_BARS:,} hourly bars of {arguments.synthetic}, seed {seed}")
            study(make_plan(RunRequest((file,), out, profile=profile, overrides=overrides)), seed, policies=policies)


if __name__ == "__main__":
    main()
