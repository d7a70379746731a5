"""What was known of each transaction at a given moment: label arrival, contradictions, maturity.

The rule for several labels of one transaction, in this order: an analyst's verdict outweighs an issuer's report,
which outweighs a chargeback, which outweighs any other source; within a source the latest `labelled_at` counts, then
the latest `received_at`, then the later row. A transaction without a label is genuine only once it is mature: when the
label delay has passed since it occurred and nobody has complained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.evaluation.splits import DAY_MS

NEVER: Final = np.iinfo(np.int64).max
"""The arrival time of a label that has not arrived."""
_WEIGHT: Final = {"analyst": 3, "issuer_report": 2, "chargeback": 1}


def labels_known_at(labels: pa.Table, as_of: int) -> pa.Table:
    """One label a transaction, out of those received at or before `as_of` (epoch ms): the one that counts.

    `labels` has the canonical label columns; the result has them too, in the order of its transactions' ids. Labels
    received later change nothing in it.
    """
    known = labels.filter(pc.less_equal(labels["received_at"], as_of))
    sorted_labels = known.take(label_order(known))
    ids = sorted_labels["transaction_id"]
    if len(ids) == 0:
        return sorted_labels
    last = pc.fill_null(pc.not_equal(ids.slice(0, len(ids) - 1), ids.slice(1)), fill_value=True)
    return sorted_labels.filter(pa.chunked_array([*last.chunks, pa.array([True])], pa.bool_()))


def label_order(labels: pa.Table) -> pa.Array:
    """The rows of the labels (uint64) by transaction id and, within one, from the weakest to the one that counts."""
    weight = [_WEIGHT.get(source, 0) for source in labels["source"].to_pylist()]
    ranked = pa.table(
        {
            "transaction_id": labels["transaction_id"],
            "weight": pa.array(weight, pa.int8()),
            "labelled_at": labels["labelled_at"],
            "received_at": labels["received_at"],
            "row": pa.array(np.arange(labels.num_rows), pa.int64()),
        }
    )
    return pc.sort_indices(ranked, sort_keys=[(name, "ascending") for name in ranked.column_names])


@dataclass(frozen=True)
class Verdicts:
    """What is known of N transactions at one moment, aligned with them.

    `fraud` bool [N]: a label says so. `labelled` bool [N]: a label says something. `mature` bool [N]: the label delay
    has passed. `known` bool [N]: labelled, or mature and not censored; only these are positives or negatives.
    `pattern` object [N]: the name of the fraud pattern where the label gives one, else None.
    """

    fraud: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    mature: NDArray[np.bool_]
    known: NDArray[np.bool_]
    pattern: NDArray[np.object_]


def verdicts_at(
    transaction_ids: pa.ChunkedArray,
    occurred_at: NDArray[np.int64],
    labels: pa.Table,
    as_of: int,
    label_delay_ms: int,
    censored: NDArray[np.bool_] | None = None,
) -> Verdicts:
    """What the labels received by `as_of` (epoch ms) say of these transactions.

    `censored` marks what was declined: without a label such a transaction stays unknown however old it is, because
    nobody could have complained about it.
    """
    resolved = labels_known_at(labels, as_of)
    found = pc.index_in(transaction_ids, value_set=resolved["transaction_id"].combine_chunks())
    index = found.fill_null(-1).to_numpy().astype(np.int64)
    labelled = index >= 0
    fraud, pattern = np.zeros(len(index), dtype=bool), np.full(len(index), None, dtype=object)
    fraud[labelled] = resolved["is_fraud"].to_numpy(zero_copy_only=False)[index[labelled]].astype(bool)
    if "pattern" in resolved.column_names:
        pattern[labelled] = resolved["pattern"].to_numpy(zero_copy_only=False)[index[labelled]]
    mature = occurred_at + label_delay_ms <= as_of
    silent = mature if censored is None else mature & ~censored
    return Verdicts(fraud=fraud, labelled=labelled, mature=mature, known=labelled | silent, pattern=pattern)


def fraud_known_at(transaction_ids: pa.ChunkedArray, labels: pa.Table) -> NDArray[np.int64]:
    """When the first fraud label of each transaction arrived: epoch ms int64 [N], `NEVER` where none did."""
    frauds = labels.filter(labels["is_fraud"])
    first = frauds.group_by("transaction_id").aggregate([("received_at", "min")])
    found = pc.index_in(transaction_ids, value_set=first["transaction_id"].combine_chunks())
    index = found.fill_null(-1).to_numpy().astype(np.int64)
    arrival = np.append(first["received_at_min"].to_numpy().astype(np.int64), NEVER)
    return arrival[index]


def known_compromised(
    card: NDArray[np.int64], occurred_at: NDArray[np.int64], known_at: NDArray[np.int64], since: int
) -> NDArray[np.bool_]:
    """Whether each transaction's card was already known as compromised when the UTC day of the transaction began.

    A card is known as compromised once a fraud label of one of its transactions since `since` (epoch ms) has arrived:
    it would have been blocked, so an evaluation leaves its later transactions out. `card` holds codes, below 0 for
    none; `known_at` comes from :func:`fraud_known_at`. All transactions since `since` belong in the arrays, those of
    the gaps too. Source: Fraud Detection Handbook, chapter 5, `get_train_test_set`.
    """
    earliest = np.full(int(card.max(initial=-1)) + 2, NEVER, dtype=np.int64)  # the last entry is for "no card"
    counted = (card >= 0) & (occurred_at >= since)
    np.minimum.at(earliest, card[counted], known_at[counted])
    day_began_at = occurred_at // DAY_MS * DAY_MS
    return (card >= 0) & (earliest[card] < day_began_at)
