import numpy as np
import pytest

from agv2.core.errors import InvariantError
from agv2.core.timeframes import Timeframe
from agv2.features.families import FAMILIES, family_masks, family_of_name
from agv2.features.pipeline import FEATURES, feature_columns


def test_every_feature_has_a_family_and_every_family_a_feature() -> None:
    assert {family_of_name(spec.name) for spec in FEATURES} == set(FAMILIES)


def test_every_column_is_in_exactly_one_mask() -> None:
    masks = family_masks(feature_columns(Timeframe(60)))
    assert tuple(masks) == FAMILIES
    assert (np.sum(list(masks.values()), axis=0) == 1).all()


def test_a_feature_without_a_family_is_named() -> None:
    with pytest.raises(InvariantError, match="feature tide_height belongs to no family"):
        family_of_name("tide_height")
