import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.adapters.spark.decide_step import DecideStep, OutputTopics
from paywarden.adapters.spark.rows import RowSchema, pack
from paywarden.errors import ContractMismatch
from paywarden.events.decision import decode_decisions, of_source
from paywarden.events.schema import EventSchema
from paywarden.features.events import Verdict, from_tables
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.replay import replay
from paywarden.jobs.parity import SCORE_TOLERANCE, compare, replayed_decisions
from paywarden.scoring.policy import Policy
from paywarden.scoring.rules.policy_file import rule_book
from paywarden.scoring.scorer import Scorer
from paywarden.simulation.world import World

NAMES = ("a", "b", "c")
MODELS = {"m": NAMES}
VECTORS = np.array([[1, np.nan, 3], [4, 5, 6], [np.nan] * 3, [-0.0, 1e-30, 2]], dtype=np.float32)


def served(
    vectors=VECTORS,
    scores=(0.1, 0.2, 0.3, 0.4),
    offsets=(0, 1, 2, 3),
    partition=0,
    as_null=False,
    model="m",
    source="stream",
):
    rows = [[None if as_null and np.isnan(v) else float(v) for v in row] for row in vectors]
    return pa.table(
        {
            "topic": pa.array(["t"] * len(offsets), pa.string()),
            "partition": pa.array([partition] * len(offsets), pa.int32()),
            "offset": pa.array(offsets, pa.int64()),
            "source": pa.array([source] * len(offsets), pa.string()),
            "score": pa.array(scores, pa.float64()),
            "bundle_digest": pa.array([model] * len(offsets), pa.string()),
            "vector": pa.array(rows, pa.list_(pa.float32())),
        }
    )


class TestCompare:
    def test_equal_decisions_are_exact_in_any_order(self):
        shuffled = served().take([2, 0, 3, 1])
        found = compare(shuffled, served(), MODELS)
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
        found = compare(served(other), served(), MODELS)
        assert found.vectors_differing == 1
        assert found.features_differing == {NAMES[column]: 1}
        assert not found.exact

    def test_a_sign_of_zero_is_a_bit(self):
        other = VECTORS.copy()
        other[3, 0] = 0.0
        assert compare(served(other), served(), MODELS).vectors_differing == 1

    @pytest.mark.parametrize(("row", "column", "value"), [(0, 1, 0.0), (1, 1, np.nan)])
    def test_absent_is_not_a_number(self, row, column, value):
        other = VECTORS.copy()
        other[row, column] = value
        assert compare(served(other), served(), MODELS).features_differing == {NAMES[column]: 1}

    def test_null_on_the_wire_is_absent(self):
        assert compare(served(as_null=True), served(), MODELS).exact

    def test_a_missing_decision_is_found(self):
        found = compare(served().slice(1), served(), MODELS)
        assert (found.compared, found.missing, found.unexpected) == (3, 1, 0)
        assert not found.exact

    def test_an_unexpected_decision_is_found(self):
        found = compare(served(), served().slice(0, 3), MODELS)
        assert (found.compared, found.missing, found.unexpected) == (3, 0, 1)
        assert not found.exact

    def test_another_partition_is_another_place(self):
        found = compare(served(partition=1), served(), MODELS)
        assert (found.compared, found.missing, found.unexpected) == (0, 4, 4)

    def test_a_decision_of_another_model_is_missing_and_unexpected(self):
        found = compare(served(model="n"), served(), {**MODELS, "n": NAMES})
        assert (found.compared, found.missing, found.unexpected) == (0, 4, 4)
        assert compare(served(model="n"), served().slice(0, 0), MODELS).unexpected == 4

    def test_models_of_other_widths_are_compared_each_by_its_features(self):
        wide, narrow = served(), served(VECTORS[:, :2].copy(), partition=1, model="n")
        both = pa.concat_tables([wide, narrow])
        names = {**MODELS, "n": ("d", "b")}
        assert compare(both, both, names).exact
        other = VECTORS[:, :2].copy()
        other[1] = 9
        found = compare(both, pa.concat_tables([wide, served(other, partition=1, model="n")]), names)
        assert (found.compared, found.vectors_differing, found.features_differing) == (8, 1, {"d": 1, "b": 1})

    def test_scores_may_differ_by_the_tolerance_only(self):
        assert compare(served(scores=(0.1, 0.2, 0.3, 0.4 + SCORE_TOLERANCE / 2)), served(), MODELS).exact
        found = compare(served(scores=(0.1, 0.2, 0.3, 0.4 + 2 * SCORE_TOLERANCE)), served(), MODELS)
        assert found.largest_score_difference == pytest.approx(2 * SCORE_TOLERANCE)
        assert not found.exact

    def test_a_score_that_is_no_number_is_not_exact(self):
        assert not compare(served(scores=(0.1, 0.2, 0.3, np.nan)), served(), MODELS).exact

    def test_it_is_a_json_document(self):
        document = compare(served().slice(1), served(), MODELS).to_dict()
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
def manifests(bundle, other_bundle, engine):
    layout = engine.digest
    return [
        BatchManifest(1, 0, (OffsetRange("t", 0, 0, 10), OffsetRange("l", 0, 0, 1)), layout, from_empty=True),
        BatchManifest(1, 1, (OffsetRange("t", 0, 10, 25), OffsetRange("l", 0, 1, 1)), layout, "1", bundle.digest, "p"),
        BatchManifest(
            1, 2, (OffsetRange("t", 0, 25, 40), OffsetRange("l", 0, 1, 3)), layout, "2", other_bundle.digest, "p"
        ),
    ]


@pytest.fixture(scope="module")
def scorers(bundle, other_bundle):
    return {b.digest: Scorer(b) for b in (bundle, other_bundle)}


def _names(*bundles):
    return {bundle.digest: bundle.feature_names for bundle in bundles}


class TestReplayedDecisions:
    """A day of a world as one partition: a state build, then two batches by two models."""

    def test_each_batch_is_decided_by_its_own_model(self, history, manifests, scorers):
        asked = []
        found = replayed_decisions(*history, manifests, lambda digest: asked.append(digest) or scorers[digest]).sort_by(
            "offset"
        )
        assert sorted(asked) == sorted(scorers)
        assert found["offset"].to_pylist() == list(range(10, 40))  # not the build, nor what no batch read
        width = len(next(iter(scorers.values())).bundle.feature_names)
        vectors = np.array(found["vector"].to_pylist(), dtype=np.float32).reshape(-1, width)
        for rows, manifest in ((slice(0, 15), manifests[1]), (slice(15, 30), manifests[2])):
            expected = scorers[manifest.bundle_digest].score(vectors[rows])
            np.testing.assert_array_equal(found["raw_score"].to_numpy()[rows], expected.raw)
            np.testing.assert_array_equal(found["score"].to_numpy()[rows], expected.score)

    def test_repeats_are_not_decided(self, history, manifests, scorers):
        transactions, labels = history
        twice = transactions.slice(12, 1)
        moved = pa.concat_tables([transactions.slice(0, 13), twice, transactions.slice(13)])
        moved = with_coordinates(moved.drop_columns(["topic", "partition", "offset"]), "t")
        found = replayed_decisions(moved, labels, manifests, scorers.__getitem__)
        assert found.num_rows == 29

    def test_it_is_at_one_with_itself(self, history, manifests, scorers, bundle, other_bundle):
        found = replayed_decisions(*history, manifests, scorers.__getitem__)
        assert compare(found, found, _names(bundle, other_bundle)).exact

    def test_a_stream_that_has_decided_nothing_has_no_decisions(
        self, history, manifests, scorers, bundle, other_bundle
    ):
        found = replayed_decisions(*history, manifests[:1], scorers.__getitem__)
        assert found.num_rows == 0
        assert compare(found, found, _names(bundle, other_bundle)).exact


class TestAfterGoingOver:
    """A stream that went over to another state and back: each decision is replayed by the state it came from."""

    @pytest.fixture
    def switched(self, bundle, newer_bundle, engine, newer_engine):
        old, new = engine.digest, newer_engine.digest

        def manifest(epoch, batch, start, end, layout, model=None, **options):
            ranges = (OffsetRange("t", 0, start, end), OffsetRange("l", 0, start // 20, end // 20))
            digest = model.digest if model else None
            return BatchManifest(epoch, batch, ranges, layout, digest and "v", digest, digest, **options)

        return [
            manifest(1, 0, 0, 10, old, from_empty=True),
            manifest(1, 1, 10, 20, old, bundle),
            manifest(2, 0, 0, 5, new, from_empty=True),
            manifest(3, 0, 5, 12, new),
            manifest(4, 0, 12, 20, new),
            manifest(5, 2, 20, 40, new, newer_bundle),
            manifest(6, 0, 20, 40, old),
            manifest(7, 3, 40, 60, old, bundle),
        ]

    @pytest.fixture
    def models(self, bundle, newer_bundle):
        return {b.digest: Scorer(b) for b in (bundle, newer_bundle)}

    def test_every_decision_is_by_its_own_model_and_state(
        self, history, switched, models, bundle, newer_bundle, engine, newer_engine
    ):
        found = replayed_decisions(*history, switched, models.__getitem__).sort_by("offset")
        assert found["offset"].to_pylist() == list(range(10, 60))
        digests = [bundle.digest] * 10 + [newer_bundle.digest] * 20 + [bundle.digest] * 20
        assert found["bundle_digest"].to_pylist() == digests
        for one, lineage, catalogue in (
            (bundle, [m for m in switched if m.state_layout == engine.digest], engine.catalogue),
            (newer_bundle, [m for m in switched if m.state_layout == newer_engine.digest], newer_engine.catalogue),
        ):
            numbered = [dataclasses.replace(m, batch=n) for n, m in enumerate(lineage)]
            vectors = replay(*history, catalogue, numbered).features[:, catalogue.columns(one.feature_names)]
            rows = found.filter(pc.equal(found["bundle_digest"], one.digest))
            mine = np.array(rows["vector"].to_pylist(), dtype=np.float32)
            np.testing.assert_array_equal(mine, vectors[rows["offset"].to_numpy()])

    def test_a_piece_in_the_wrong_place_would_be_noticed(self, history, switched, models, bundle, newer_bundle):
        """The order of folding matters: labels of a later piece count for what comes after them only."""
        found = replayed_decisions(*history, switched, models.__getitem__)
        moved = [m for m in switched if m.stream_epoch != 6]
        other = replayed_decisions(*history, moved, models.__getitem__)
        assert compare(found, found, _names(bundle, newer_bundle)).exact
        assert not compare(found, other, _names(bundle, newer_bundle)).exact

    def test_a_model_without_its_catalogue_cannot_be_replayed(self, history, switched, bundle):
        bare = Scorer(dataclasses.replace(bundle, catalogue=None))
        with pytest.raises(ContractMismatch, match="carries no catalogue"):
            replayed_decisions(*history, switched, lambda _: bare)


class TestLetThrough:
    """A policy that declines nearly everything and lets a third of it through."""

    def test_stream_retry_and_replay_let_the_same_through(self, history, bundle, engine):
        shared = bundle.with_policy(Policy(-99.0, -98.0, let_through_share=0.33))
        transactions, labels = history
        count = transactions.num_rows
        ranges = (OffsetRange("t", 0, 0, count), OffsetRange("l", 0, 0, labels.num_rows))
        manifest = BatchManifest(1, 1, ranges, engine.digest, "1", shared.digest, "p", from_empty=True)
        scorers = {shared.digest: Scorer(shared)}
        replayed = replayed_decisions(*history, [manifest], scorers.__getitem__)

        def streamed():
            topics = OutputTopics("predictions", "alerts", "outcomes", "dlq")
            step = DecideStep(engine.catalogue, shared.to_files, manifest, topics, lambda: 5)
            records = pa.Table.from_batches(list(step([in_flight(history, engine)])))
            return [
                records.filter(pc.equal(records["topic"], t))["value"].to_pylist() for t in ("predictions", "alerts")
            ]

        predictions, alerts = streamed()
        assert streamed()[0] == predictions  # a retry decides alike
        decided = decode_decisions(predictions, EventSchema(engine.catalogue.entities))
        assert 0.1 < pc.mean(pc.equal(decided["decision"], "review")).as_py() < 0.6
        assert set(decided["decision"].to_pylist()) == {"review", "decline"}
        expected = dict(zip(replayed["transaction_id"].to_pylist(), replayed["decision"].to_pylist(), strict=True))
        for row in decided.to_pylist():
            assert row["decision"] == expected[row["transaction_id"]]
            assert row["propensity"] == (0.33 if row["decision"] == "review" else None)
        assert sorted(alerts) == sorted(predictions)


class TestShadow:
    """A challenger scored on the rows that the champion decides."""

    @pytest.fixture
    def manifest(self, history, bundle, other_bundle, engine):
        transactions, labels = history
        ranges = (OffsetRange("t", 0, 0, transactions.num_rows), OffsetRange("l", 0, 0, labels.num_rows))
        digests = {"bundle_digest": bundle.digest, "policy_digest": bundle.policy.digest}
        shadow = {"shadow_version": "2", "shadow_digest": other_bundle.digest}
        return BatchManifest(1, 1, ranges, engine.digest, "1", **digests, from_empty=True, **shadow)

    @pytest.fixture
    def decide(self, history, bundle, engine, manifest):
        def decide(shadow, rules=None):
            topics = OutputTopics("predictions", "alerts", "outcomes", "dlq")
            step = DecideStep(engine.catalogue, bundle.to_files, manifest, topics, lambda: 5, shadow, rules)
            records = pa.Table.from_batches(list(step([in_flight(history, engine)])))
            values = [records.filter(pc.equal(records["topic"], t))["value"] for t in ("predictions", "alerts")]
            decided = [decode_decisions(v.to_pylist(), EventSchema(engine.catalogue.entities)) for v in values]
            return records, *decided

        return decide

    def test_it_decides_what_its_replay_decides_and_alerts_nobody(
        self, history, manifest, scorers, decide, bundle, other_bundle
    ):
        records, predictions, alerts = decide(other_bundle.to_files)
        shadow, acting = of_source(predictions, "shadow"), of_source(predictions, "stream")
        assert shadow.num_rows == acting.num_rows > 0
        assert pc.all(pc.greater(of_source(alerts, "stream")["score"], 0)).as_py()
        assert of_source(alerts, "shadow").num_rows == 0
        assert set(shadow["bundle_version"].to_pylist()) == {"2"}
        assert not set(shadow["decision_id"].to_pylist()) & set(acting["decision_id"].to_pylist())
        counted = dict(
            zip(*(records.group_by("outcome").aggregate([([], "count_all")]).to_pydict().values()), strict=True)
        )
        assert counted["shadow"] == counted["decision"]
        for decided, source, model in ((acting, "stream", bundle), (shadow, "shadow", other_bundle)):
            replayed = replayed_decisions(*history, [manifest], scorers.__getitem__, source=source)
            assert compare(decided, replayed, _names(model)).exact

    def test_both_are_under_the_same_rules(self, decide, bundle, other_bundle):
        book = rule_book(
            {"rules": [{"name": "all", "when": "transaction.amount >= 0 && score < 2.0", "then": "review"}]}
        )
        _, predictions, alerts = decide(other_bundle.to_files, lambda: book.content)
        for source, model in (("stream", bundle), ("shadow", other_bundle)):
            decided = of_source(predictions, source)
            assert set(map(tuple, decided["rules"].to_pylist())) == {("all",)}
            assert "approve" not in decided["decision"].to_pylist()
            assert set(decided["policy_digest"].to_pylist()) == {book.policy_digest(model.policy.digest)}
        assert alerts.num_rows == of_source(predictions, "stream").num_rows

    @pytest.mark.parametrize("files", [{}, {"manifest.json": b"{}"}])
    def test_one_that_cannot_decide_leaves_the_acting_model_alone(self, decide, files):
        _, alone, _ = decide(None)
        records, predictions, _ = decide(lambda: files)
        assert predictions == alone
        assert "shadow" not in records["outcome"].to_pylist()


def in_flight(history, engine):
    """The scored transactions as the last entity step hands them on."""
    transactions, labels = history
    events = from_tables(transactions, labels.slice(0, 0), engine.catalogue.inputs)
    replayed = replay(transactions, labels, engine.catalogue)
    folded = engine.width - len(engine.catalogue.request_features)
    columns = {
        **{name: transactions[name].combine_chunks() for name in ("topic", "partition", "offset", "transaction_id")},
        **{name: transactions[name].combine_chunks() for name in ("occurred_at", "received_at", "routing_key")},
        "timestamp": transactions["received_at"].combine_chunks(),
        "kind": pa.array(events.kind),
        "amount_base": pa.array(events.amount),
        "source": pa.array(events.source),
        "declined": pa.array(events.declined),
        "verdict": pa.array(replayed.verdicts),
        "features": pack(replayed.features[:, :folded]),
        **{f"entity_{name}": tokens for name, tokens in events.tokens.items()},
        **{f"code_{name}": pa.array(codes) for name, codes in events.codes.items()},
        **{f"number_{name}": pa.array(numbers) for name, numbers in events.numbers.items()},
    }
    rows = RowSchema(engine.catalogue.inputs).table(transactions.num_rows, columns)
    return rows.filter(pc.equal(rows["verdict"], Verdict.SCORED))
