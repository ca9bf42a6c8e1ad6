"""Array types and the record layout of many named tuples."""

from typing import Any, NamedTuple, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "Float32Array", "FloatArray", "Int8Array", "IntArray", "RecordArray", "record_dtype"]

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
Int8Array = NDArray[np.int8]
BoolArray = NDArray[np.bool_]
RecordArray = NDArray[np.void]


def record_dtype(named_tuple: type[NamedTuple]) -> np.dtype[Any]:
    """Structured dtype that stores one `named_tuple` per element, fields in the same order.

    Args:
        named_tuple: a NamedTuple class whose fields are `int`, `float`, `bool` or such a class.

    Returns:
        int → int64, float → float64, bool → bool, a named tuple → its own record.

    Raises:
        TypeError: a field has another type.
    """
    scalars: dict[type, Any] = {int: np.int64, float: np.float64, bool: np.bool_}
    fields: list[tuple[str, Any]] = []
    for name, kind in get_type_hints(named_tuple).items():
        if kind in scalars:
            fields.append((name, scalars[kind]))
        elif isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
            fields.append((name, record_dtype(cast(type[NamedTuple], kind))))
        else:
            raise TypeError(f"{named_tuple.__name__}.{name} is {kind}; expected int, float, bool or a named tuple")
    return np.dtype(fields, align=True)
