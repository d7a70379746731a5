"""Fetching ahead changes nothing but time, so only the instruction itself can be looked for."""

import numba
import numpy as np

from paywarden.features.prefetch import prefetch


def test_it_is_an_instruction_that_changes_nothing():
    @numba.njit
    def fetch_all(array):
        for row in range(array.shape[0]):
            prefetch(array, row, 1)

    array = np.arange(6, dtype=np.int64).reshape(3, 2)
    fetch_all(array)
    assert array.ravel().tolist() == list(range(6))
    assert "@llvm.prefetch" in "".join(fetch_all.inspect_llvm().values())


def test_it_does_nothing_where_nothing_is_compiled():
    assert prefetch(np.zeros((1, 1), np.int64), 0, 0) is None
