"""When what is known of transactions changes: their maturity, and every label that turns a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.labels import label_order
from paywarden.training.dataset import Dataset


@dataclass(frozen=True, eq=False)
class VerdictChanges:
    """Every change of the sets "mature and known" and "known fraud", M of them, in no particular order.

    `row` int64 [M] is the row of the data set, `at` int64 [M] the time (epoch ms), `known` and `fraud` int64 [M] are
    what is added to either set: 1, 0 or -1. Summed over all changes at or before a time, they are the mature and known
    rows of `Dataset.verdicts_at` that time, and the frauds among them.
    """

    row: NDArray[np.int64]
    at: NDArray[np.int64]
    known: NDArray[np.int64]
    fraud: NDArray[np.int64]


def verdict_changes(dataset: Dataset) -> VerdictChanges:
    """The changes of a data set, by the rules of :mod:`paywarden.evaluation.labels`.

    Silence is a verdict once the label delay has passed, unless the transaction was declined. A fraud that is known
    earlier counts from its maturity too: beside negatives that are not known yet it would count for too much.
    """
    row, at, verdict = _judgements(dataset)
    silent = np.flatnonzero(~dataset.censored)
    # Silence comes before any label of the row: the sort below is stable, and all of it takes effect at maturity.
    row = np.concatenate([silent, row])
    verdict = np.concatenate([np.zeros(len(silent), np.int64), verdict])
    at = np.concatenate([np.full(len(silent), np.iinfo(np.int64).min), at])
    order = np.argsort(row, kind="stable")
    row, at, verdict = row[order], at[order], verdict[order]
    first = np.diff(row, prepend=-1) != 0
    fraud = np.where(first, verdict, np.diff(verdict, prepend=0))
    at = np.maximum(at, dataset.occurred_at[row] + dataset.label_delay_ms)
    return VerdictChanges(row, at, first.astype(np.int64), fraud)


def _judgements(dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Row, arrival and verdict (1 fraud, 0 genuine) of every label, where all that had arrived are weighed together.

    In the order of rows, and of arrival within a row.
    """
    labels = dataset.labels.take(label_order(dataset.labels))
    ids, arrival = labels["transaction_id"], labels["received_at"].to_numpy().astype(np.int64)
    unique = pc.unique(dataset.transaction_ids)
    subject = pc.index_in(ids, value_set=unique).fill_null(-1).to_numpy().astype(np.int64)
    # Labels stand from weakest to strongest, so the place of the strongest so far is a running maximum over arrivals.
    order = np.lexsort((arrival, subject))
    strongest = _running_maximum(order, subject[order])
    verdict = labels["is_fraud"].to_numpy(zero_copy_only=False).astype(np.int64)[strongest]
    start = np.searchsorted(subject[order], np.arange(len(unique) + 1))
    return _spread(dataset.transaction_ids, unique, start, arrival[order], verdict)


def _running_maximum(values: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest value so far within each group; groups stand together, rising."""
    offset = (group + 1) * len(values)
    return np.maximum.accumulate(values + offset) - offset


def _spread(
    transaction_ids: pa.ChunkedArray,
    unique: pa.Array,
    start: NDArray[np.int64],
    arrival: NDArray[np.int64],
    verdict: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The judgements of each row: an id may stand in several, where a duplicate was not recognised."""
    subject = pc.index_in(transaction_ids, value_set=unique).to_numpy().astype(np.int64)
    count = np.diff(start)[subject]
    row = np.repeat(np.arange(len(subject)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    place = start[subject[row]] + within
    return row, arrival[place], verdict[place]
