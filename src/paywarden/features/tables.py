"""The tables by which the kernel walks a record: structured arrays, so that a row's fields have names in compiled code.

Whatever is used as an index is unsigned: for a signed one numba looks at every access whether it counts from the end,
which costs as much as the access and keeps loops from being vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_KINDS = [(name, np.uint64) for name in ("counts", "maxima", "sums", "squares", "small_sketches", "sketches", "end")]
"""Where each kind of cell begins in another table, in the order of :class:`cells.CellKind`, and where the last ends."""

GROUP = np.dtype(
    [
        ("clock", np.uint64),
        ("tile_ms", np.int64),
        ("tiles", np.int64),
        ("per_tile_ms", np.float64),
        ("per_tile", np.float64),
        ("start", np.uint64),
        ("stop", np.uint64),
        *_KINDS,
    ]
)
"""Rings that share a clock, a tile width and a length: 1 ÷ the latter two as well, their words, their ``blocks``."""
BLOCK = np.dtype([("column", np.uint64), ("source", np.int64), ("offset", np.uint64)])
"""A ring: its column of values, the source it counts, its first word (or half, where narrow)."""
WINDOW = np.dtype([("group", np.uint64), ("span", np.int64), *_KINDS])
"""A window of ``span`` tiles over a group, and its ``merges``."""
MERGE = np.dtype([("ring", np.uint64), ("word", np.uint64)])
"""The first word (or half) of a ring, and the word of its merged cell."""
FEATURE = np.dtype([(name, np.uint64) for name in ("place", "a", "b", "c", "column")])
"""Column among the record's features, three words of merged cells, column of values."""


class Tables(NamedTuple):
    """What the kernel reads.

    ``results`` int64 ``[RESULTS + 1]``: the features of result ``r`` are ``results[r]`` to before ``results[r + 1]``;
    ``header`` int64 ``[4]``: the words of ``layout.HEADER``, -1 where absent;
    ``flags`` int64 ``[6]``: the value column of newcomers and the feature that tells one, the value column of anomalies
    and the three words that tell one; -1 where absent.
    """

    groups: NDArray[np.void]
    blocks: NDArray[np.void]
    windows: NDArray[np.void]
    merges: NDArray[np.void]
    features: NDArray[np.void]
    results: NDArray[np.int64]
    header: NDArray[np.int64]
    flags: NDArray[np.int64]


def table(rows: Sequence[Sequence[Any]], of: np.dtype[np.void]) -> NDArray[np.void]:
    """Rows as a structured array."""
    return np.array([tuple(row) for row in rows], of)
