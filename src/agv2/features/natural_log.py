"""Natural logarithms of whole arrays, with the same bits on every machine and at every place in an array."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.jit import kernel

__all__ = ["natural_log"]

_BLOCK = 512  # scratch stays in the nearest cache
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_MANTISSA_BITS = 52
_WHOLE = 6755399441055744.0  # 1.5 * 2**52: a whole number added to its bits is added to its value
_WHOLE_BITS = 0x4338000000000000
_LN2_HIGH = 6.93147180369123816490e-01  # its last 20 bits are zero, so that an exponent times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_C1 = 6.666666666666735130e-01
_C2 = 3.999999999940941908e-01
_C3 = 2.857142874366239149e-01
_C4 = 2.222219843214978396e-01
_C5 = 1.818357216161805012e-01
_C6 = 1.531383769920937332e-01
_C7 = 1.479819860511658591e-01


@kernel
def natural_log(values: FloatArray) -> FloatArray:
    """Natural logarithm of each value, to within one unit in the last place.

    Made of nothing but whole-number arithmetic on bits and of `+ - * /`, which every processor rounds alike. That of
    the C library differs between systems and takes one value at a time; numpy's differs between processors.

    Args:
        values: (n,) numbers >= 2.3e-308, the smallest that has all its digits.

    Returns:
        (n,) logarithms, exactly 0 at 1; NaN where `values` is NaN, infinite, zero or below.

    Source: `e_log.c` of the Freely Distributable Math Library (Sun Microsystems, 1993), without its branches.
    """
    logs = np.empty(values.size)
    mantissa_bits = np.empty(_BLOCK, dtype=np.int64)
    exponent_bits = np.empty(_BLOCK, dtype=np.int64)
    mantissas = mantissa_bits.view(np.float64)
    exponents = exponent_bits.view(np.float64)
    all_bits = values.view(np.int64)
    for start in range(0, values.size, _BLOCK):
        size = min(_BLOCK, values.size - start)
        part = values[start : start + size]
        bits = all_bits[start : start + size]
        found = logs[start : start + size]
        for i in range(size):
            exponent = (bits[i] - _ROOT_HALF_BITS) >> _MANTISSA_BITS
            mantissa_bits[i] = bits[i] - (exponent << _MANTISSA_BITS)  # from the root of a half to the root of two
            exponent_bits[i] = exponent + _WHOLE_BITS
        for i in range(size):
            f = mantissas[i] - 1.0
            exponent = exponents[i] - _WHOLE
            # numpy's division, because Python's asks each time whether it is by zero.
            s = np.divide(f, 2.0 + f)
            z = s * s
            tail = z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * (_C6 + z * _C7))))))
            half = 0.5 * f * f
            rest = half - (s * (half + tail) + exponent * _LN2_LOW)
            log = (exponent * _LN2_HIGH - (rest - f)) + (part[i] - part[i])
            found[i] = log if part[i] > 0.0 else np.nan
    return logs
