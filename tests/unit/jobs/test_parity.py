import json

import numpy as np
import pyarrow as pa
import pytest

from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.jobs.parity import SCORE_TOLERANCE, compare, replayed_decisions
from paywarden.scoring.scorer import Scorer
from paywarden.simulation.world import World

NAMES = ("a", "b", "c")
VECTORS = np.array([[1, np.nan, 3], [4, 5, 6], [np.nan] * 3, [-0.0, 1e-30, 2]], dtype=np.float32)


def served(vectors=VECTORS, scores=(0.1, 0.2, 0.3, 0.4), offsets=(0, 1, 2, 3), partition=0, as_null=False):
    rows = [[None if as_null and np.isnan(v) else float(v) for v in row] for row in vectors]
    return pa.table(
        {
            "topic": pa.array(["t"] * len(offsets), pa.string()),
            "partition": pa.array([partition] * len(offsets), pa.int32()),
            "offset": pa.array(offsets, pa.int64()),
            "score": pa.array(scores, pa.float64()),
            "vector": pa.array(rows, pa.list_(pa.float32())),
        }
    )


class TestCompare:
    def test_equal_decisions_are_exact_in_any_order(self):
        shuffled = served().take([2, 0, 3, 1])
        found = compare(shuffled, served(), NAMES)
        assert found.exact
        assert found.to_dict() == {
            "compared": 4,
            "missing": 0,
            "unexpected": 0,
            "vectors_differing": 0,
            "largest_score_difference": 0.0,
            "features_differing": {},
            "exact": True,
        }

    @pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (3, 1)])
    def test_one_bit_of_one_vector_is_found(self, row, column):
        other = VECTORS.copy()
        other[row, column] = np.nextafter(other[row, column], np.float32(np.inf))
        found = compare(served(other), served(), NAMES)
        assert found.vectors_differing == 1
        assert found.features_differing == {NAMES[column]: 1}
        assert not found.exact

    def test_a_sign_of_zero_is_a_bit(self):
        other = VECTORS.copy()
        other[3, 0] = 0.0
        assert compare(served(other), served(), NAMES).vectors_differing == 1

    @pytest.mark.parametrize(("row", "column", "value"), [(0, 1, 0.0), (1, 1, np.nan)])
    def test_absent_is_not_a_number(self, row, column, value):
        other = VECTORS.copy()
        other[row, column] = value
        assert compare(served(other), served(), NAMES).features_differing == {NAMES[column]: 1}

    def test_null_on_the_wire_is_absent(self):
        assert compare(served(as_null=True), served(), NAMES).exact

    def test_a_missing_decision_is_found(self):
        found = compare(served().slice(1), served(), NAMES)
        assert (found.compared, found.missing, found.unexpected) == (3, 1, 0)
        assert not found.exact

    def test_an_unexpected_decision_is_found(self):
        found = compare(served(), served().slice(0, 3), NAMES)
        assert (found.compared, found.missing, found.unexpected) == (3, 0, 1)
        assert not found.exact

    def test_another_partition_is_another_place(self):
        found = compare(served(partition=1), served(), NAMES)
        assert (found.compared, found.missing, found.unexpected) == (0, 4, 4)

    def test_scores_may_differ_by_the_tolerance_only(self):
        assert compare(served(scores=(0.1, 0.2, 0.3, 0.4 + SCORE_TOLERANCE / 2)), served(), NAMES).exact
        found = compare(served(scores=(0.1, 0.2, 0.3, 0.4 + 2 * SCORE_TOLERANCE)), served(), NAMES)
        assert found.largest_score_difference == pytest.approx(2 * SCORE_TOLERANCE)
        assert not found.exact

    def test_a_score_that_is_no_number_is_not_exact(self):
        assert not compare(served(scores=(0.1, 0.2, 0.3, np.nan)), served(), NAMES).exact

    def test_it_is_a_json_document(self):
        document = compare(served().slice(1), served(), NAMES).to_dict()
        assert json.loads(json.dumps(document)) == document


def with_coordinates(table, topic):
    rows = table.num_rows
    return (
        table.append_column("topic", pa.array([topic] * rows, pa.string()))
        .append_column("partition", pa.array([0] * rows, pa.int32()))
        .append_column("offset", pa.array(range(rows), pa.int64()))
    )


@pytest.fixture(scope="module")
def history():
    (day,) = World(4, cards=60, merchants=60, fraud_rate=0.1).days(0, 1)
    return with_coordinates(day.transactions, "t"), with_coordinates(day.labels, "l")


@pytest.fixture(scope="module")
def manifests(bundle, other_bundle):
    return [
        BatchManifest(1, 0, (OffsetRange("t", 0, 0, 10), OffsetRange("l", 0, 0, 1)), "layout"),
        BatchManifest(1, 1, (OffsetRange("t", 0, 10, 25), OffsetRange("l", 0, 1, 1)), "x", "1", bundle.digest, "p"),
        BatchManifest(
            1, 2, (OffsetRange("t", 0, 25, 40), OffsetRange("l", 0, 1, 3)), "x", "2", other_bundle.digest, "p"
        ),
    ]


@pytest.fixture(scope="module")
def scorers(bundle, other_bundle):
    return {b.digest: Scorer(b) for b in (bundle, other_bundle)}


class TestReplayedDecisions:
    """A day of a world as one partition: a state build, then two batches by two models."""

    def test_each_batch_is_decided_by_its_own_model(self, history, manifests, scorers, engine):
        asked = []
        found = replayed_decisions(
            *history, engine.catalogue, manifests, lambda digest: asked.append(digest) or scorers[digest]
        ).sort_by("offset")
        assert sorted(asked) == sorted(scorers)
        assert found["offset"].to_pylist() == list(range(10, 40))  # not the build, nor what no batch read
        width = len(next(iter(scorers.values())).bundle.feature_names)
        vectors = np.array(found["vector"].to_pylist(), dtype=np.float32).reshape(-1, width)
        for rows, manifest in ((slice(0, 15), manifests[1]), (slice(15, 30), manifests[2])):
            expected = scorers[manifest.bundle_digest].score(vectors[rows])
            np.testing.assert_array_equal(found["raw_score"].to_numpy()[rows], expected.raw)
            np.testing.assert_array_equal(found["score"].to_numpy()[rows], expected.score)

    def test_repeats_are_not_decided(self, history, manifests, scorers, engine):
        transactions, labels = history
        twice = transactions.slice(12, 1)
        moved = pa.concat_tables([transactions.slice(0, 13), twice, transactions.slice(13)])
        moved = with_coordinates(moved.drop_columns(["topic", "partition", "offset"]), "t")
        found = replayed_decisions(moved, labels, engine.catalogue, manifests, scorers.__getitem__)
        assert found.num_rows == 29

    def test_it_is_at_one_with_itself(self, history, manifests, scorers, engine, bundle):
        found = replayed_decisions(*history, engine.catalogue, manifests, scorers.__getitem__)
        assert compare(found, found, bundle.feature_names).exact

    def test_a_stream_that_has_decided_nothing_has_no_decisions(self, history, manifests, scorers, engine, bundle):
        found = replayed_decisions(*history, engine.catalogue, manifests[:1], scorers.__getitem__)
        assert found.num_rows == 0
        assert compare(found, found, bundle.feature_names).exact
