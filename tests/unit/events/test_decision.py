import base64
import hashlib
import struct

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.errors import DataError
from paywarden.events.decision import (
    ACTIONS,
    OUTCOME_SCHEMA,
    decision_ids,
    decision_schema,
    decode_actions,
    decode_decisions,
    decode_outcomes,
    encode_decision,
    encode_decisions,
    encode_outcomes,
)
from paywarden.events.schema import EventSchema

SCHEMA = EventSchema(("card", "merchant"))
NOW = 1_700_000_000_000
ROW = {
    "decision_id": "d-1",
    "transaction_id": "t-1",
    "source": "stream",
    "occurred_at": NOW,
    "arrived_at": NOW + 1,
    "decided_at": NOW + 3,
    "received_at": NOW + 2,
    "entity_card": "c-1",
    "entity_merchant": None,
    "amount_base": 1250,
    "raw_score": -3.5,
    "score": 0.029,
    "decision": "approve",
    "reasons": [{"code": "amount", "text": 'far above "usual"'}],
    "bundle_version": "3",
    "bundle_digest": "b" * 64,
    "policy_digest": "p" * 64,
    "vector": [1.5, None, -0.1],
    "batch_id": 7,
    "stream_epoch": 2,
    "topic": "transactions",
    "partition": 3,
    "offset": 2**40,
}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VECTORS = st.lists(st.floats(width=32), max_size=4)


def table(*rows):
    built = pa.Table.from_pylist(list(rows), schema=decision_schema(SCHEMA))
    vectors = [[np.nan if x is None else x for x in row["vector"]] for row in rows]
    return built.set_column(built.schema.get_field_index("vector"), "vector", pa.array(vectors, pa.list_(pa.float32())))


def same(left, right):
    """Equal tables, NaN equal to NaN."""
    at = left.schema.get_field_index("vector")
    (a, b) = ([list(map(str, row)) for row in t.column("vector").to_pylist()] for t in (left, right))
    return a == b and left.remove_column(at).equals(right.remove_column(at))


def test_a_decision_without_entities_reads_back_equal():
    schema = EventSchema(())
    plain = table(ROW).drop_columns(["entity_card", "entity_merchant"])
    read = decode_decisions(encode_decisions(plain, schema), schema)
    assert read.schema == decision_schema(schema)
    assert same(read, plain)


def test_a_decision_is_written_as_the_contract_says():
    (message,) = encode_decisions(table(ROW), SCHEMA)
    fields = {key: value for key, value in ROW.items() if not key.startswith("entity_")}
    fields["vector"] = base64.b64encode(struct.pack("<3f", 1.5, float("nan"), -0.1)).decode()
    assert orjson.loads(message) == fields | {"entities": {"card": "c-1"}}


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "transaction_id": TEXTS,
                "entity_card": st.none() | TEXTS,
                "raw_score": FLOATS,
                "score": st.floats(0, 1),
                "reasons": st.lists(st.fixed_dictionaries({"code": TEXTS, "text": TEXTS}), max_size=3),
                "vector": VECTORS,
                "state_age_ms": st.none() | st.integers(0, 2**40),
                "rules": st.none() | st.lists(TEXTS, min_size=1, max_size=3),
                "shadow_rules": st.none() | st.lists(TEXTS, min_size=1, max_size=3),
            }
        ),
        max_size=5,
    )
)
def test_decisions_read_back_equal(changes):
    before = table(*(ROW | change for change in changes))
    assert same(decode_decisions(encode_decisions(before, SCHEMA), SCHEMA), before)


@settings(deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_every_float32_reads_back_equal_from_a_matrix(width, bits):
    values = np.array(bits * width, dtype=np.uint32).view(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values), width)
    before = table(*[ROW] * len(bits)).drop_columns(["vector"]).append_column("vector", vectors)
    after = decode_decisions(encode_decisions(before, SCHEMA), SCHEMA).column("vector").combine_chunks()
    np.testing.assert_array_equal(after.values.to_numpy(zero_copy_only=False).view(np.uint32), values.view(np.uint32))


def test_sliced_and_chunked_tables_are_encoded_as_their_rows():
    rows = [ROW | {"transaction_id": f"t-{i}", "vector": [i, 0.5], "reasons": ROW["reasons"] * i} for i in range(4)]
    alone = [encode_decisions(table(row), SCHEMA)[0] for row in rows]
    chunked = pa.concat_tables([table(row) for row in rows])
    assert encode_decisions(chunked, SCHEMA) == alone
    assert encode_decisions(chunked.combine_chunks().slice(2), SCHEMA) == alone[2:]


def test_a_score_that_is_not_a_number_is_left_out():
    (message,) = encode_decisions(table(ROW | {"raw_score": float("nan")}), SCHEMA)
    assert "raw_score" not in orjson.loads(message)


def test_a_decision_without_reasons_has_an_empty_list():
    messages = encode_decisions(table(ROW | {"reasons": None}, ROW | {"reasons": []}, ROW), SCHEMA)
    assert [orjson.loads(message)["reasons"] for message in messages] == [[], [], ROW["reasons"]]


def test_a_foreign_message_is_named():
    good = encode_decisions(table(ROW), SCHEMA)[0]
    with pytest.raises(DataError, match="message 2 of 3 is not a decision"):
        decode_decisions([good, b"garbage", good], SCHEMA)


def test_ids_are_stable_and_depend_on_every_part():
    digest = hashlib.sha256(b"stream\0b\0p\0t-1").hexdigest()[:32]
    assert decision_ids(pa.array(["t-1", "t-2"]), "stream", "b", "p").to_pylist()[0] == digest
    others = [
        ("t-2", "stream", "b", "p"),
        ("t-1", "api", "b", "p"),
        ("t-1", "stream", "c", "p"),
        ("t-1", "stream", "b", "q"),
    ]
    ids = {decision_ids([name], *rest)[0].as_py() for name, *rest in others}
    assert len(ids | {digest}) == 5


def test_outcomes_read_back_equal():
    rows = [
        {
            "outcome": outcome,
            "transaction_id": "t-1",
            "batch_id": 7,
            "stream_epoch": 2,
            "topic": "labels",
            "partition": 0,
            "offset": 9,
        }
        for outcome in ("duplicate", "label", "repeated_label")
    ]
    before = pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA)
    assert decode_outcomes(encode_outcomes(before)).equals(before)
    assert orjson.loads(encode_outcomes(before)[0]) == rows[0]
    with pytest.raises(DataError, match="outcome"):
        decode_outcomes([b"[]"])


def test_a_propensity_is_on_the_wire_only_where_there_is_one():
    plain, through = encode_decisions(table(ROW, ROW | {"propensity": 0.05}), SCHEMA)
    assert "propensity" not in orjson.loads(plain)  # as messages were before it was logged
    assert orjson.loads(through)["propensity"] == 0.05
    assert decode_decisions([plain, through], SCHEMA)["propensity"].to_pylist() == [None, 0.05]


def test_rules_and_age_are_on_the_wire_only_where_there_are_any():
    named = ROW | {"rules": ["block:stolen"], "shadow_rules": [], "state_age_ms": 40}
    plain, ruled = map(orjson.loads, encode_decisions(table(ROW, named), SCHEMA))
    assert not {"rules", "shadow_rules", "state_age_ms"} & set(plain)
    assert (ruled["rules"], ruled["state_age_ms"]) == (["block:stolen"], 40)
    assert "shadow_rules" not in ruled


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vector": [float("nan"), 1.0], "rules": ["a", 'b"'], "shadow_rules": [], "state_age_ms": 0},
        {"entity_card": None, "reasons": None, "score": None, "batch_id": None, "propensity": 0.5},
    ],
)
def test_one_decision_is_written_as_a_table_of_one(changes):
    row = ROW | changes
    vector = np.array([np.nan if x is None else x for x in row["vector"]], np.float32)
    written = encode_decision(row | {"vector": vector}, SCHEMA)
    assert same(decode_decisions([written], SCHEMA), decode_decisions(encode_decisions(table(row), SCHEMA), SCHEMA))


def test_a_fallback_has_neither_score_nor_vector():
    nothing = dict.fromkeys(("raw_score", "score", "bundle_version", "bundle_digest", "topic", "partition", "offset"))
    fallback = pa.Table.from_pylist(
        [ROW | nothing | {"source": "fallback", "vector": None}], schema=decision_schema(SCHEMA)
    )
    (read,) = decode_decisions(encode_decisions(fallback, SCHEMA), SCHEMA).to_pylist()
    assert read["vector"] is None
    assert read["score"] is None


def action(name, source, decided_at, decision, propensity=None):
    row = ROW | {"transaction_id": name, "source": source, "decided_at": decided_at, "decision": decision}
    return row | {"propensity": propensity}


def test_one_decision_of_a_transaction_acts():
    rows = [
        action("audited", "stream", 1, "decline"),
        action("audited", "api", 5, "approve"),
        action("repeated", "stream", 7, "approve"),
        action("repeated", "stream", 3, "review", 0.2),
        action("shadowed", "shadow", 1, "decline"),
        action("fallen", "stream", 1, "approve"),
        action("fallen", "fallback", 2, "decline"),
    ]
    acting = decode_actions(encode_decisions(table(*rows), SCHEMA))
    assert acting.schema.names == ACTIONS.names
    found = {row["transaction_id"]: (row["decision"], row["propensity"]) for row in acting.to_pylist()}
    assert found == {"audited": ("approve", None), "repeated": ("review", 0.2), "fallen": ("decline", None)}
    assert decode_actions([]).num_rows == 0
    with pytest.raises(DataError, match="not a decision"):
        decode_actions([b"{"])
