"""Decisions and the other outcomes of an input offset: their columns, their ids and their JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.events.json_columns import json_text, member, messages, object_member, raw_member
from paywarden.events.schema import EventSchema
from paywarden.events.strings import one_array
from paywarden.events.vector_text import decode_vectors, encode_vector, encode_vectors
from paywarden.events.wire import read_block

DECISION_SOURCES = ("stream", "api", "fallback", "shadow")
DECISIONS = ("approve", "review", "decline")
OUTCOMES = ("duplicate", "label", "repeated_label")
DECISION_ID_LENGTH = 32
"""Hex characters, 128 bits."""

_REASONS = pa.list_(pa.struct([("code", pa.string()), ("text", pa.string())]))
_TIMES = ("occurred_at", "arrived_at", "decided_at", "received_at")
_BEFORE_ENTITIES = [("decision_id", pa.string()), ("transaction_id", pa.string()), ("source", pa.string())] + [
    (name, pa.int64()) for name in _TIMES
]
_SCORED = [
    ("amount_base", pa.int64()),
    ("raw_score", pa.float64()),
    ("score", pa.float64()),
    ("decision", pa.string()),
    ("propensity", pa.float64()),
    ("state_age_ms", pa.int64()),
]
_RULES = [("rules", pa.list_(pa.string())), ("shadow_rules", pa.list_(pa.string()))]
_VERSIONS = [("bundle_version", pa.string()), ("bundle_digest", pa.string()), ("policy_digest", pa.string())]
_COORDINATES = [
    ("batch_id", pa.int64()),
    ("stream_epoch", pa.int64()),
    ("topic", pa.string()),
    ("partition", pa.int32()),
    ("offset", pa.int64()),
]

OUTCOME_SCHEMA = pa.schema([("outcome", pa.string()), ("transaction_id", pa.string()), *_COORDINATES])
"""Columns of an outcome: a duplicate or an applied label, with where it was read and by which batch."""


def decision_schema(schema: EventSchema) -> pa.Schema:
    """Columns of decisions; times are int64 epoch ms UTC.

    ``arrived_at`` is the Kafka timestamp, ``raw_score`` the margin in log-odds, ``score`` the calibrated probability,
    ``propensity`` the share at which a would-be decline was let through (null, and not on the wire, for all others and
    in messages from before it was logged), ``vector`` the feature vector in contract order, float32, NaN for absent.
    ``state_age_ms`` is how long before the decision the state that it read had last moved, for those that read it from
    beside the stream; ``rules`` names the lists and rules that fired, the one that decided first, and ``shadow_rules``
    those that are only watched: null, and not on the wire, where none did. A fallback has neither score nor vector.
    """
    entities = [(column, pa.string()) for column in schema.entity_columns]
    reasons, vector = ("reasons", _REASONS), ("vector", pa.list_(pa.float32()))
    return pa.schema([*_BEFORE_ENTITIES, *entities, *_SCORED, reasons, *_RULES, *_VERSIONS, vector, *_COORDINATES])


def decision_ids(
    transaction_ids: pa.StringArray | Sequence[str], source: str, bundle_digest: str, policy_digest: str
) -> pa.StringArray:
    """Ids of decisions: the same transaction decided in the same way by the same model and policy has the same id.

    SHA-256 of source, bundle digest, policy digest and transaction id, separated by NUL, the first 32 hex characters.
    A retry thus repeats its ids, and consumers that upsert by id see each decision once.
    """
    start = hashlib.sha256("\0".join((source, bundle_digest, policy_digest, "")).encode())
    ids = transaction_ids.to_pylist() if isinstance(transaction_ids, pa.Array) else transaction_ids
    return pa.array([_continued(start, name) for name in ids], pa.string())


def encode_decisions(table: pa.Table, schema: EventSchema) -> list[bytes]:
    """One JSON message a row of a table with the columns of :func:`decision_schema`; nulls are left out.

    ``vector`` may be a list or a fixed-size list of float32; :mod:`~paywarden.events.vector_text` says its text.
    """
    return messages(
        [
            *(member(name, table.column(name)) for name, _ in _BEFORE_ENTITIES),
            object_member("entities", {name: table.column(f"entity_{name}") for name in schema.entities}),
            *(member(name, table.column(name)) for name, _ in _SCORED),
            raw_member("reasons", _reasons_text(one_array(table.column("reasons")))),
            *(raw_member(name, _names_text(one_array(table.column(name)))) for name, _ in _RULES),
            *(member(name, table.column(name)) for name, _ in _VERSIONS),
            member("vector", encode_vectors(one_array(table.column("vector")))),
            *(member(name, table.column(name)) for name, _ in _COORDINATES),
        ]
    )


def encode_decision(row: Mapping[str, Any], schema: EventSchema) -> bytes:
    """The message of one decision, a mapping with the columns of :func:`decision_schema`; absent ones are null.

    ``vector`` is a float32 array or None. It reads as what :func:`encode_decisions` writes, at a tenth of the cost of a
    table with one row.
    """
    entities = {name: row.get(f"entity_{name}") for name in schema.entities}
    message = {name: row.get(name) for name, _ in (*_BEFORE_ENTITIES, *_SCORED)}
    message["entities"] = {name: token for name, token in entities.items() if token is not None} or None
    message["reasons"] = row.get("reasons") or []
    message |= {name: row.get(name) or None for name, _ in _RULES}
    message |= {name: row.get(name) for name, _ in (*_VERSIONS, *_COORDINATES)}
    vector = row.get("vector")
    message["vector"] = None if vector is None else encode_vector(vector)
    return orjson.dumps({name: value for name, value in message.items() if value is not None})


def decode_decisions(values: Sequence[bytes], schema: EventSchema) -> pa.Table:
    """The table that was encoded, with the columns of :func:`decision_schema`.

    Raises :class:`~paywarden.errors.DataError` if a message is not a decision: they are ours, so this is no user error.
    """
    entities = ("entities", pa.struct([(name, pa.string()) for name in schema.entities]))
    kept = [field for field in decision_schema(schema) if field.name not in (*schema.entity_columns, "vector")]
    fields = pa.schema([*kept, entities, ("vector", pa.string())])
    table = _decoded(values, fields, "decision")
    columns = {name: one_array(table.column(name)) for name in table.column_names}
    structs = columns.pop("entities").flatten()
    columns |= dict(zip(schema.entity_columns, structs, strict=True))
    columns["vector"] = decode_vectors(columns["vector"])
    return pa.Table.from_arrays(
        [columns[name] for name in decision_schema(schema).names], schema=decision_schema(schema)
    )


ACTIONS = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("source", pa.string()),
        ("decided_at", pa.int64()),
        ("decision", pa.string()),
        ("propensity", pa.float64()),
    ]
)
"""What was done with a transaction: columns of :func:`decode_actions`."""

_ACTING = ("api", "fallback", "stream")
"""Sources whose decisions act, the strongest first: where the API answered, the stream's decision is an audit."""
_ACTIONS_AT_ONCE = 100_000


def decode_actions(values: Sequence[bytes]) -> pa.Table:
    """The acting decision of each transaction (:data:`ACTIONS`), by id, without the vectors that take most of the room.

    Of several from the strongest source the earliest acts; shadow decisions never do. Raises
    :class:`~paywarden.errors.DataError` if a message is no decision.
    """
    starts = range(0, len(values), _ACTIONS_AT_ONCE)
    read = [_decoded(values[start : start + _ACTIONS_AT_ONCE], ACTIONS, "decision") for start in starts]
    return acting(pa.concat_tables([ACTIONS.empty_table(), *read]))


def acting(found: pa.Table) -> pa.Table:
    """Of decisions (a table with the columns of :data:`ACTIONS` at least) the acting one of each transaction, by id."""
    rank = pc.index_in(found["source"], value_set=pa.array(_ACTING))
    found = found.append_column("rank", rank).filter(rank.is_valid())
    order = pc.sort_indices(found, [(name, "ascending") for name in ("transaction_id", "rank", "decided_at")])
    found = found.take(order).drop_columns(["rank"])
    ids = found["transaction_id"].combine_chunks()
    again = pc.equal(ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))).to_numpy(zero_copy_only=False)
    return found.filter(pa.array(np.concatenate([np.ones(min(len(ids), 1), np.bool_), ~again.astype(np.bool_)])))


def of_source(decisions: pa.Table, source: str) -> pa.Table:
    """The decisions that this source made (one of :data:`DECISION_SOURCES`)."""
    return decisions.filter(pc.equal(decisions["source"], source))


def encode_outcomes(table: pa.Table) -> list[bytes]:
    """One JSON message a row of a table with the columns of :data:`OUTCOME_SCHEMA`."""
    return messages([member(name, table.column(name)) for name in OUTCOME_SCHEMA.names])


def decode_outcomes(values: Sequence[bytes]) -> pa.Table:
    """The table that was encoded; raises :class:`~paywarden.errors.DataError` if a message is no outcome."""
    return _decoded(values, OUTCOME_SCHEMA, "outcome")


def _continued(start: hashlib._Hash, text: str) -> str:
    hashed = start.copy()
    hashed.update(text.encode())
    return hashed.hexdigest()[:DECISION_ID_LENGTH]


def _reasons_text(reasons: pa.ListArray) -> pa.StringArray:
    codes, texts = reasons.flatten().flatten()
    each = pc.binary_join_element_wise('{"code":', json_text(codes), ',"text":', json_text(texts), "}", "")
    lengths = pc.fill_null(pc.list_value_length(reasons), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), each), ",")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _names_text(names: pa.ListArray) -> pa.StringArray:
    """The JSON of each list of names; null for a null or empty one."""
    if not len(names.flatten()):
        return pa.nulls(len(names), pa.string())
    each = pa.ListArray.from_arrays(pc.fill_null(names, []).offsets, json_text(pc.fill_null(names, []).values))
    text = pc.binary_join_element_wise("[", pc.binary_join(each, ","), "]", "")
    return pc.if_else(pc.equal(text, "[]"), None, text)


def _decoded(values: Sequence[bytes], fields: pa.Schema, what: str) -> pa.Table:
    table = read_block(values, fields)
    if table is not None:
        return table.select(fields.names)
    wrong = next((i for i, value in enumerate(values) if read_block([value], fields) is None), 0)
    raise DataError(
        f"message {wrong + 1} of {len(values)} is not a {what} of ours; check which producers write to this topic"
    )
