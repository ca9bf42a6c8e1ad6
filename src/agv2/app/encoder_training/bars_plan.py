"""From files of bars to a plan: the last part of the bars is held out, the part before it teaches."""

import os
from dataclasses import replace

from agv2.app.encoder_report import SymbolSpan
from agv2.app.encoder_training.holdout import hold_out, purge_bars
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest, budget_of, require_teachable
from agv2.app.fold_training import linear_inputs, training_data, training_series
from agv2.app.market_preparation import PreparedMarket, prepare_markets
from agv2.app.run_plan import SMOKE_BARS
from agv2.app.settings import Settings
from agv2.backtest.trial_ledger import data_digest
from agv2.backtest.walk_forward import Fold
from agv2.models.training_rows import validation_starts
from agv2.utils.config import config_digest

__all__ = ["plan_from_bars"]


def plan_from_bars(request: EncoderRequest, settings: Settings) -> EncoderPlan:
    """Check bars and settings, and make what encoders learn from; nothing is written.

    Raises:
        ConfigError: a setting or an option is wrong.
        DataError: a file cannot be used, files cannot be learned from together, or there are too few bars.
    """
    budget, config = budget_of(request, settings)
    settings = replace(settings, encoder=config)
    most_bars = SMOKE_BARS if os.environ.get("AGV2_SMOKE") == "1" else None
    markets = prepare_markets(request.bars, request.symbols, settings, most_bars, accept_defects=request.accept_defects)
    folds = hold_out(
        [market.bars.ts_ns for market in markets],
        [market.first_decision for market in markets],
        [str(market.path) for market in markets],
        settings,
        request.holdout_frac,
    )
    normalizer, fit = training_data(markets, folds, settings)
    validation_ns, _ = validation_starts([one.ts_ns for one in fit], config)
    lead = config.window - 1
    whole = [
        training_series(
            market,
            slice(fold.train_lo - lead, fold.test_hi),
            normalizer,
            settings,
            [validation_ns, *market.bars.ts_ns[[fold.train_hi, fold.test_lo]].tolist()],
        )
        for market, fold in zip(markets, folds, strict=True)
    ]
    offsets = [fold.train_lo - lead for fold in folds]
    fit_rows = tuple(range(lead, fold.train_hi - first) for fold, first in zip(folds, offsets, strict=True))
    score_rows = tuple(
        range(fold.test_lo - first, fold.test_hi - first) for fold, first in zip(folds, offsets, strict=True)
    )
    unscored = require_teachable(fit, whole, score_rows, config, "give more bars")
    symbols = [market.bars.symbol for market in markets]
    digest = data_digest([market.content_hash for market in markets])
    features = tuple((column.name, column.lookback) for column in markets[0].features.columns)
    return EncoderPlan(
        config=config,
        budget=budget,
        fit=tuple(fit),
        whole=tuple(whole),
        fit_rows=fit_rows,
        score_rows=score_rows,
        normalizer=normalizer,
        features=features,
        data_digest=digest,
        linear_inputs=linear_inputs(markets[0].features.columns),
        spans=tuple(_span(market, fold) for market, fold in zip(markets, folds, strict=True)),
        holdout_frac=request.holdout_frac,
        purge_bars=purge_bars(settings),
        notes=(*(note for market in markets for note in (*market.notes, *market.asides)), *unscored),
        identity={
            "bars or --symbol": [[market.content_hash for market in markets], symbols],
            "asset classes": [market.asset_class for market in markets],
            "features": [list(each) for each in features],
            "settings": config_digest({"encoder": config.in_effect}),
            "--profile": [budget.profile, budget.steps],
            "--seed or --seeds": list(budget.seeds),
            "--holdout": request.holdout_frac,
        },
    )


def _span(market: PreparedMarket, fold: Fold) -> SymbolSpan:
    stamps = market.bars.ts_ns
    return SymbolSpan(
        symbol=market.bars.symbol,
        asset_class=market.instrument.asset_class,
        timeframe=market.bars.timeframe.name,
        n_fit=fold.train_hi - fold.train_lo,
        n_score=fold.test_hi - fold.test_lo,
        first_ns=int(stamps[fold.train_lo]),
        fit_until_ns=int(stamps[fold.train_hi - 1]),
        score_from_ns=int(stamps[fold.test_lo]),
        last_ns=int(stamps[fold.test_hi - 1]),
    )
