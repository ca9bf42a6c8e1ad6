"""Records of named tuples."""

from typing import NamedTuple

import numpy as np
import pytest

from agv2.core.account import Account, open_account
from agv2.core.arrays import record_dtype


class WithText(NamedTuple):
    name: str


def test_a_record_has_the_fields_of_its_tuple_in_order_and_nests() -> None:
    dtype = record_dtype(Account)
    assert dtype.names == Account._fields
    rows = np.zeros(1, dtype=dtype)
    rows[0] = tuple(open_account(5.0, 2.0))
    assert rows[0]["cash"] == 5.0
    assert rows[0]["pending"]["order_id"] == 0


def test_what_no_kernel_can_read_is_refused() -> None:
    with pytest.raises(TypeError, match=r"WithText\.name"):
        record_dtype(WithText)
