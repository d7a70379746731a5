import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import DataError


def test_rows_stay_aligned_with_their_vectors(dataset, transactions, features, fraud):
    assert len(dataset) == transactions.num_rows
    assert dataset.occurred_at.tolist() == transactions["occurred_at"].to_pylist()
    assert dataset.amount.tolist() == transactions["amount_base"].to_pylist()
    assert np.array_equal(dataset.features, features, equal_nan=True)
    assert np.array_equal(dataset.target[dataset.mature], fraud[dataset.mature])
    assert dataset.mature.sum() == (dataset.occurred_at + dataset.label_delay_ms <= dataset.as_of).sum()
    assert {dataset.pattern[row] for row in np.flatnonzero(dataset.target)} == {"cloned", "stolen"}


def test_cards_are_coded_alike_whatever_the_order_of_rows(dataset, transactions):
    tokens = np.array(transactions["entity_card"].to_pylist())
    assert np.array_equal(dataset.card, np.searchsorted(np.unique(tokens), tokens))


def test_another_entity_can_stand_for_the_card(build, labels):
    assert len(np.unique(build(labels, card_entity="merchant").card)) == 20
    with pytest.raises(DataError, match="entity_device"):
        build(labels, card_entity="device")


def test_rows_left_out_leave_every_array(build, labels, transactions, features):
    keep = np.arange(transactions.num_rows) % 2 == 1
    kept = build(labels, keep=keep, declined=np.arange(transactions.num_rows) == 3)
    assert np.array_equal(kept.features, features[keep], equal_nan=True)
    assert kept.transaction_ids.to_pylist()[:2] == ["t1", "t3"]
    assert np.flatnonzero(kept.censored).tolist() == [1]
    assert len(kept.target) == len(kept.card) == len(kept.amount) == keep.sum()


def test_a_decline_without_a_verdict_is_not_a_negative(build, labels, fraud):
    genuine = int(np.flatnonzero(~fraud)[0])
    declined = np.zeros(len(fraud), dtype=bool)
    declined[genuine] = True
    assert build(labels).verdicts.known[genuine]
    assert not build(labels, declined=declined).verdicts.known[genuine]


def test_labels_received_after_as_of_are_not_in_it(build, labels):
    late = labels.set_column(2, "received_at", pa.array(np.full(labels.num_rows, 2**60)))
    assert build(pa.concat_tables([labels, late])).labels.num_rows == build(labels).labels.num_rows


def test_a_matrix_of_another_shape_or_dtype_is_refused(build, labels):
    with pytest.raises(DataError, match="float32 matrix"):
        build(labels, feature_names=("a",))
    with pytest.raises(DataError, match="no transactions"):
        build(labels, keep=np.zeros(6000, dtype=bool))


def test_each_row_stands_for_one_transaction_unless_told_otherwise(build, labels, transactions):
    assert build(labels).weight.tolist() == [1.0] * transactions.num_rows
    weight = np.where(np.arange(transactions.num_rows) == 3, 20, 1).astype(np.float32)
    keep = np.arange(transactions.num_rows) % 2 == 1
    assert build(labels, keep=keep, weight=weight).weight[:3].tolist() == [1.0, 20.0, 1.0]
