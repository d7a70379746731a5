"""Labels that bear only a transaction's id, completed from the lake and sent on their way.

Features learn of a label by its entities, so a verdict that names only the transaction is joined with the archived
transaction first; a label is stored by id in any case, and training needs no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.events.encoding import encode_labels, routing_keys
from paywarden.events.schema import LABEL_SOURCES, EventSchema
from paywarden.jobs.produce import Sink


@dataclass(frozen=True)
class Verdict:
    """Somebody's word on one transaction; ``labelled_at`` is epoch ms."""

    transaction_id: str
    is_fraud: bool
    source: str
    labelled_at: int
    pattern: str | None = None


def complete_labels(verdicts: Sequence[Verdict], transactions: pa.Table, schema: EventSchema) -> pa.Table:
    """Canonical labels of verdicts, with entities, routing key and time of their archived transactions.

    Raises DataError for an unknown source, and for ids that the lake does not hold.
    """
    wrong = sorted({verdict.source for verdict in verdicts} - set(LABEL_SOURCES))
    if wrong:
        raise DataError(f"unknown label source {', '.join(wrong)}; known are {', '.join(LABEL_SOURCES)}")
    ids = pa.array([verdict.transaction_id for verdict in verdicts], pa.string())
    row = pc.index_in(ids, value_set=transactions["transaction_id"].combine_chunks())
    if row.null_count:
        missing = ids.filter(row.is_null()).to_pylist()
        raise DataError(
            f"the lake holds no transaction {', '.join(missing[:5])}" + (", …" if len(missing) > 5 else "") + "; "
            "run `paywarden archive` first, or correct the id"
        )
    found = transactions.take(row)
    labelled_at = pa.array([verdict.labelled_at for verdict in verdicts], pa.int64())
    columns = {
        "transaction_id": ids,
        "labelled_at": labelled_at,
        "received_at": labelled_at,
        "is_fraud": pa.array([verdict.is_fraud for verdict in verdicts]),
        "source": pa.array([verdict.source for verdict in verdicts], pa.string()),
        "pattern": pa.array([verdict.pattern for verdict in verdicts], pa.string()),
        **{name: found[name] for name in ("occurred_at", "routing_key", *schema.entity_columns)},
    }
    return pa.table([columns[field.name] for field in schema.label_schema()], schema=schema.label_schema())


def send_labels(labels: pa.Table, sink: Sink, topic: str, schema: EventSchema) -> int:
    """Send canonical labels in the order of their arrival; how many were acknowledged."""
    ordered = labels.take(pa.array(np.argsort(labels["received_at"].to_numpy(), kind="stable")))
    sink.send_many(topic, routing_keys(ordered), encode_labels(ordered, schema))
    sink.flush()
    return ordered.num_rows
