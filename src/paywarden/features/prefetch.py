"""Asking the processor for memory before it is needed.

A batch names records all over the state, and a fold that waits for each of them to come from memory spends half of its
time so. numba knows no such instruction; LLVM does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

LINE_WORDS = 8
"""Words of a cache line."""
_TO_WRITE, _KEEP, _DATA = 1, 3, 1


def prefetch(array: NDArray[np.int64], row: int, column: int) -> None:
    """Fetch the cache line of ``array[row, column]``, which is about to change; without a compiler, do nothing."""


@intrinsic
def _prefetch(_: Any, array: Any, row: Any, column: Any) -> Any:  # noqa: ANN401, ARG001 (numba's types)
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        memory = context.make_array(signature.args[0])(context, builder, arguments[0])
        strides: list[Any] = cgutils.unpack_tuple(builder, memory.strides, 2)  # type: ignore[no-untyped-call]
        offset = builder.add(builder.mul(arguments[1], strides[0]), builder.mul(arguments[2], strides[1]))
        byte = ir.IntType(8).as_pointer()
        address = builder.gep(builder.bitcast(memory.data, byte), [offset])
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(function, [address, number(_TO_WRITE), number(_KEEP), number(_DATA)])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@overload(prefetch)
def _compile_prefetch(array, row, column):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    # numba compares the two signatures, annotations and all.
    compiled: Any = _prefetch  # called without numba's first argument
    return lambda array, row, column: compiled(array, row, column)  # noqa: PLW0108 (numba takes a function only)
