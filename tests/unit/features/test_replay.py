"""What a replay gives and how it is aligned; what the numbers are is shown by parity with the oracle."""

import numpy as np
import pyarrow as pa
import pytest
from tests.parity.streams import Draft, build

from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.events import Verdict
from paywarden.features.feature import Feature
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.replay import replay
from paywarden.features.windows import DAY

PAIR = ("card", "merchant")
CATALOGUE = Catalogue(
    PAIR,
    (Feature("card", "count", None, DAY), Feature("card_merchant", "count", None, DAY)),
    pairs=(PAIR,),
    request=("amount",),
)


def paid(card, merchant, amount=100, **changes):
    return Draft(10, card, merchant, amount, "authorisation", 0, **changes)


def test_what_is_given_is_aligned_with_the_tables():
    stream = build([paid("a", "m", labels=((5, True), (6, True))), paid("b", "m"), paid("a", "m", amount=7)])
    backwards = pa.array([2, 1, 0])
    replayed = replay(stream.transactions.take(backwards), stream.labels.take([1, 0]), CATALOGUE)
    assert replayed.features.dtype == np.float32
    assert replayed.features.tolist() == [[1, 1, 7], [0, 0, 100], [0, 0, 100]]
    assert replayed.verdicts.tolist() == [Verdict.SCORED] * 3
    assert replayed.label_verdicts.tolist() == [Verdict.LABEL_REPEATED, Verdict.LABEL_APPLIED]


def test_the_states_are_those_of_every_record_and_of_routing():
    stream = build([paid("a", "m"), paid("a", "n"), paid(None, "m"), paid("b", None)])
    states = replay(stream.transactions, stream.labels, CATALOGUE).states
    engine = Engine(CATALOGUE)
    assert list(states) == [ROUTING, "card", "card_merchant", "merchant"]
    keys = {record: held.keys.to_pylist() for record, held in states.items()}
    assert keys[ROUTING] == ["a", "t2", "b"]
    assert keys["card"] == ["a", "b"]
    assert keys["merchant"] == ["m", "n"]
    assert [len(key) for key in keys["card_merchant"]] == [16, 16]
    for record, held in states.items():
        assert held.states.shape == (len(held.keys), engine.words(record))
        assert held.states.dtype == np.int64


def test_a_duplicate_has_request_features_only():
    stream = build([paid("a", "m", repeats=((1, 9),))])
    features = replay(stream.transactions, stream.labels, CATALOGUE).features
    assert features[1].tolist() == pytest.approx([np.nan, np.nan, 9], nan_ok=True)


def test_manifests_say_in_which_order_rows_are_folded():
    stream = build([paid("a", "m") for _ in range(3)])
    coordinates = {"topic": pa.array(["t"] * 3), "partition": pa.array([0] * 3), "offset": pa.array([4, 5, 6])}
    transactions, labels = stream.transactions, stream.labels
    for name, column in coordinates.items():
        transactions = transactions.append_column(name, column)
        labels = labels.append_column(name, column.slice(0, 0))
    manifests = [BatchManifest(1, n, (OffsetRange("t", 0, *span),), "x") for n, span in ((2, (5, 6)), (1, (6, 7)))]
    assert replay(transactions, labels, CATALOGUE).features[:, 0].tolist() == [0, 1, 2]
    # Without the row of offset 4, which is in no batch and so comes last, late and by the clock of its occurrence.
    by_batch = replay(transactions, labels, CATALOGUE, manifests).features[:, 0]
    assert by_batch.tolist() == [2, 1, 0]


def test_without_entities_only_the_request_is_given():
    stream = build([paid(None, None, repeats=((1, 9),))])
    replayed = replay(stream.transactions, stream.labels, Catalogue((), (), request=("amount",)))
    assert replayed.features.tolist() == [[100], [9]]
    assert replayed.verdicts.tolist() == [Verdict.SCORED, Verdict.DUPLICATE]
    assert list(replayed.states) == [ROUTING]
