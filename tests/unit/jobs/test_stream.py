import dataclasses
import json

import numpy as np
import pytest

from paywarden.errors import BundleError, KafkaError, LeaseHeld, StateStoreError, StreamError
from paywarden.features.duplicates import ROUTING
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.stream import StreamIdentity, StreamJob, begin_stream, next_epoch

EARLIEST = {"transactions": {0: 5, 1: 0}, "labels": {0: 2}}
RANGES = (OffsetRange("labels", 0, 2, 3), OffsetRange("transactions", 0, 5, 9))
DAY = 86_400_000
NOTHING = BatchOutcome(0, 0, 0, 0, 0, 0, None, None, None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stream" / "identity.json"


@pytest.fixture
def begin(path, store, engine, manifests):
    def begin(**options):
        return begin_stream(path, store, engine.digest, manifests, lambda: EARLIEST, **options)

    return begin


def build(store, manifests, engine, epoch, ends):
    """What a finished state build leaves."""
    lease = store.acquire("builder", engine.digest)
    store.begin_batch(lease, BatchTag(epoch, 0))
    ranges = tuple(OffsetRange(topic, partition, 0, end) for topic, partition, end in ends)
    manifests.write(BatchManifest(epoch, 0, ranges, engine.digest))
    store.release(lease)


class Models:
    """A registry of two models, of which the champion changes."""

    def __init__(self, *bundles):
        self.bundles = {str(n): bundle for n, bundle in enumerate(bundles, 1)}
        self.champion_version = "1"
        self.asked = []

    def champion(self):
        self.asked.append("champion")
        return ServedModel(self.champion_version, self.bundles[self.champion_version])

    def exact(self, version, digest):
        self.asked.append((version, digest))
        if self.bundles[version].digest != digest:
            raise BundleError("another digest")
        return ServedModel(version, self.bundles[version])


@pytest.fixture
def models(bundle, other_bundle):
    return Models(bundle, other_bundle)


@pytest.fixture
def job(store, engine, manifests, models, begin):
    identity, lease = begin()
    ticks = iter(range(0, 1_000_000, 500))
    published, reported = [], []
    job = StreamJob(
        engine=engine,
        stream_epoch=identity.stream_epoch,
        store=store,
        lease=lease,
        manifests=manifests,
        models=models,
        publish=published.append,
        report=lambda *figures: reported.append(figures),
        clock=lambda: next(ticks),
    )
    object.__setattr__(job, "published", published)
    object.__setattr__(job, "reported", reported)
    return job


class TestBeginning:
    def test_a_fresh_stream_starts_where_kafka_does(self, begin, path, store):
        identity, lease = begin()
        assert (identity.starting, identity.stream_epoch, identity.owner) == (EARLIEST, 1, lease.owner)
        assert StreamIdentity.load(path) == identity
        store.begin_batch(lease, BatchTag(1, 1))  # the lease is good for writing

    def test_after_a_build_it_starts_where_the_build_ended(self, begin, store, manifests, engine):
        build(store, manifests, engine, 4, [("transactions", 0, 40), ("labels", 0, 20)])
        identity, _ = begin()
        assert identity.stream_epoch == 4
        # Partition 1 held nothing when the lake was read.
        assert identity.starting == {"transactions": {0: 40, 1: 0}, "labels": {0: 20}}

    def test_a_build_that_never_finished_is_noticed(self, begin, store, engine, path):
        lease = store.acquire("builder", engine.digest)
        store.begin_batch(lease, BatchTag(4, 0))
        store.release(lease)
        with pytest.raises(StateStoreError, match="build it again"):
            begin()
        assert not path.exists()
        store.release(store.acquire("someone else", engine.digest))

    def test_with_kafka_away_no_lease_is_left_behind(self, path, store, engine, manifests):
        def away():
            raise KafkaError("no broker answered")

        with pytest.raises(KafkaError):
            begin_stream(path, store, engine.digest, manifests, away)
        store.release(store.acquire("someone else", engine.digest))

    def test_a_restart_is_the_same_stream(self, begin, store, manifests):
        first, lease = begin()
        manifests.write(BatchManifest(1, 1, RANGES, "layout"))
        store.begin_batch(lease, BatchTag(1, 1))
        again, newer = begin()  # after a crash: nothing was released
        assert again == first
        assert newer.fence > lease.fence

    def test_a_restart_before_the_first_batch_wrote_is_the_same_stream(self, begin, manifests):
        first, _ = begin()
        assert begin()[0] == first
        manifests.write(BatchManifest(1, 1, RANGES, "layout"))
        assert begin()[0] == first

    def test_a_checkpoint_of_another_epoch_is_refused(self, begin, store, manifests, engine):
        _, lease = begin()
        store.release(lease)
        build(store, manifests, engine, 7, [("transactions", 0, 40)])
        with pytest.raises(StateStoreError, match="epoch 1, the state is at epoch 7; remove that directory"):
            begin()
        store.release(store.acquire("someone else", engine.digest))  # the lease was given back

    def test_a_lost_checkpoint_is_refused(self, begin, store, path, engine):
        _, lease = begin()
        store.begin_batch(lease, BatchTag(1, 3))
        store.release(lease)
        path.unlink()
        with pytest.raises(StateStoreError, match=r"batch 3 of epoch 1.*checkpoint is gone.*paywarden state build"):
            begin()
        store.release(store.acquire("someone else", engine.digest))

    @pytest.mark.parametrize("batches", [(1, 2), (0,), (0, 1, 2, 3)])
    def test_a_lost_state_is_refused(self, begin, manifests, batches, store, engine):
        """Its stream would go on from the checkpoint with every card a stranger."""
        _, lease = begin()
        store.release(lease)
        for batch in batches:
            manifests.write(BatchManifest(1, batch, RANGES, "layout"))
        with pytest.raises(StateStoreError, match=r"the state is empty.*paywarden state build"):
            begin()
        store.release(store.acquire("someone else", engine.digest))

    def test_while_another_stream_runs_it_needs_a_takeover(self, begin, store, engine):
        store.acquire("another", engine.digest)
        with pytest.raises(LeaseHeld):
            begin()
        assert begin(takeover=True)[0].stream_epoch == 1

    def test_an_epoch_is_new_to_state_and_manifests(self, manifests):
        assert next_epoch(None, manifests) == 1
        assert next_epoch(BatchTag(4, 2), manifests) == 5
        manifests.write(BatchManifest(9, 0, RANGES, "layout"))
        assert next_epoch(BatchTag(4, 2), manifests) == 10

    def test_a_fresh_stream_never_reuses_the_epoch_of_older_manifests(self, begin, manifests):
        manifests.write(BatchManifest(3, 1, RANGES, "layout"))
        assert begin()[0].stream_epoch == 4

    def test_an_identity_is_written_whole(self, path):
        identity = StreamIdentity("me", 2, EARLIEST)
        identity.save(path)
        assert StreamIdentity.load(path) == identity
        assert [file.name for file in path.parent.iterdir()] == ["identity.json"]
        assert json.loads(path.read_text())["stream_epoch"] == 2


class TestBatch:
    def test_a_manifest_stands_before_anything_happens(self, job, manifests, store, bundle):
        seen = []

        def execute(manifest, files):
            seen.append((manifest, files, manifests.read(BatchTag(1, 1)), store.current()))
            return NOTHING

        job(0, RANGES, execute)
        ((manifest, files, stored, current),) = seen
        assert manifest == stored == job.published[0]
        assert current == BatchTag(1, 1)
        assert files == bundle.to_files()
        assert manifest == BatchManifest(1, 1, RANGES, job.engine.digest, "1", bundle.digest, bundle.policy.digest)

    def test_what_a_batch_gave_is_reported_with_its_seconds(self, job):
        outcome = dataclasses.replace(NOTHING, decisions=4)
        job(0, RANGES, lambda *_: outcome)
        assert job.reported == [(job.published[0], outcome, 0.5)]

    def test_a_manifest_that_cannot_be_published_stops_the_batch(self, job, store):
        def refuse(_):
            raise StreamError("Kafka is away")

        with pytest.raises(StreamError, match="away"):
            dataclasses.replace(job, publish=refuse)(0, RANGES, lambda *_: pytest.fail("it ran"))
        assert store.current() is None

    def test_a_retry_obeys_its_manifest_though_the_champion_changed(self, job, models, bundle):
        def crash(*_):
            raise StreamError("killed")

        with pytest.raises(StreamError):
            job(0, RANGES, crash)
        models.champion_version = "2"
        ran = []
        job(0, RANGES, lambda *given: ran.append(given) or NOTHING)
        ((manifest, files),) = ran
        assert (manifest.bundle_version, manifest.bundle_digest) == ("1", bundle.digest)
        assert files == bundle.to_files()
        assert job.published == [manifest, manifest]

    def test_the_next_batch_takes_the_new_champion_up(self, job, models, other_bundle):
        job(0, RANGES, lambda *_: NOTHING)
        models.champion_version = "2"
        ran = []
        job(1, (OffsetRange("transactions", 0, 9, 12),), lambda *given: ran.append(given) or NOTHING)
        ((manifest, files),) = ran
        assert manifest.bundle_digest == other_bundle.digest
        assert manifest.policy_digest == other_bundle.policy.digest
        assert files == other_bundle.to_files()

    def test_other_ranges_than_planned_are_refused(self, job):
        job(0, RANGES, lambda *_: NOTHING)
        with pytest.raises(StreamError, match="restore the checkpoint"):
            job(0, (OffsetRange("transactions", 0, 5, 10),), lambda *_: pytest.fail("it ran"))

    def test_a_retry_whose_model_is_gone_does_not_decide_by_another(self, job, models, other_bundle):
        job(0, RANGES, lambda *_: NOTHING)
        models.bundles["1"] = other_bundle
        with pytest.raises(BundleError):
            job(0, RANGES, lambda *_: pytest.fail("it ran"))

    def test_without_a_champion_nothing_is_planned(self, job, models, manifests):
        models.bundles.clear()
        with pytest.raises(KeyError):
            job(0, RANGES, lambda *_: pytest.fail("it ran"))
        assert manifests.read(BatchTag(1, 1)) is None

    def test_a_superseded_stream_does_not_run(self, job, store, engine):
        store.acquire("another", engine.digest, takeover=True)
        with pytest.raises(StateStoreError):
            job(0, RANGES, lambda *_: pytest.fail("it ran"))


class TestForgetting:
    def write(self, job, entity, key, newest_ms):
        """A record of one key, seen last at a time."""
        words = job.engine.words(entity)
        state = np.zeros((1, words), dtype=np.int64)
        if entity == ROUTING:
            state[0, 1] = 77
            state[0, 1 + job.engine.catalogue.memory.ids] = newest_ms
        else:
            state[0, :2] = newest_ms
        job.store.write_many(job.lease, entity, 0, [key], state, BatchTag(1, 1))

    def records(self, job):
        return {size.entity: size.records for size in job.store.stats()}

    def test_only_records_idle_for_two_lifetimes_go(self, job):
        job.store.begin_batch(job.lease, BatchTag(1, 1))
        lifetime = job.engine.catalogue.memory.record_ttl_ms
        now = 10 * lifetime
        for entity in ("card", "merchant"):
            self.write(job, entity, b"young", now - lifetime)
            self.write(job, entity, b"late", now - 2 * lifetime)
            self.write(job, entity, b"old", now - 2 * lifetime - 1)
        self.write(job, ROUTING, b"young", now - 1)
        self.write(job, ROUTING, b"old", 1)
        assert job.forget(now) == 3
        assert self.records(job) == {"card": 2, "merchant": 2, ROUTING: 1}

    def test_it_happens_now_and_then(self, job):
        lifetime = job.engine.catalogue.memory.record_ttl_ms
        late = dataclasses.replace(NOTHING, latest_received_at=10 * lifetime)
        seldom = dataclasses.replace(job, forget_every_batches=2)

        def execute(*_):
            if seldom.store.current().batch == 1:
                self.write(seldom, "card", b"old", 1)
            return late

        seldom(0, RANGES, execute)
        assert self.records(seldom)["card"] == 1
        seldom(1, RANGES, execute)
        assert self.records(seldom).get("card", 0) == 0
