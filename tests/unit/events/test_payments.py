"""Decisions as payments: what has to be there."""

import pytest
from tests.integration.alerts.decisions import SCHEMA, fallback, message

from paywarden.errors import DataError
from paywarden.events.payments import decode_payments


def test_a_fallback_needs_no_score():
    table = decode_payments([message("t1"), fallback("t2")], SCHEMA)
    assert table["score"].to_pylist() == [0.5, None]
    assert table["source"].to_pylist() == ["stream", "fallback"]


@pytest.mark.parametrize("lacking", ["score", "decision", "occurred_at", "amount_base"])
def test_a_models_decision_lacks_nothing(lacking):
    with pytest.raises(DataError, match="no decision"):
        decode_payments([message("t1"), message("t2", **{lacking: None})], SCHEMA)


@pytest.mark.parametrize("source", ["stream", "api", "shadow"])
def test_only_a_fallback_has_no_score(source):
    with pytest.raises(DataError, match="no decision"):
        decode_payments([message("t1", source=source, score=None)], SCHEMA)
