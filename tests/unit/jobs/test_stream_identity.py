import json

import pytest

from paywarden.errors import KafkaError, LeaseHeld, StateStoreError, StreamError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import UNFINISHED, OpenState
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_build import build_state
from paywarden.jobs.stream_identity import StreamIdentity, begin_stream

EARLIEST = {"transactions": {0: 5, 1: 0}, "labels": {0: 2}}
RANGES = (OffsetRange("labels", 0, 2, 3), OffsetRange("transactions", 0, 5, 9))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stream" / "identity.json"


@pytest.fixture
def served(bundle, engine):
    return ServedModel("7", bundle, engine)


@pytest.fixture
def begin(path, epochs, served, manifests):
    def begin(**options):
        return begin_stream(path, epochs, lambda: served, manifests, lambda: EARLIEST, **options)

    return begin


@pytest.fixture
def free(epochs, engine):
    """Fails unless the state's lease is free."""

    def free(layout=engine.digest):
        OpenState.take(epochs, layout, "someone else").close()

    return free


@pytest.fixture
def build(epochs, manifests, events):
    """A finished state build that covers some offsets."""

    def build(engine, *ranges):
        return build_state(epochs, manifests, engine, events.history(events.at(0.1)), ranges, "builder").manifest

    return build


def test_a_fresh_stream_starts_where_kafka_does(begin, path, engine, bundle, epochs):
    identity, state = begin()
    assert identity == StreamIdentity(state.lease.owner, 1, 1, engine.digest, True, "7", bundle.digest, EARLIEST)
    assert StreamIdentity.load(path) == identity
    state.store.begin_batch(state.lease, BatchTag(1, 1))  # the lease is good for writing
    assert json.loads(epochs.noted(engine.digest)) == engine.catalogue.to_dict()


def test_after_a_build_it_starts_where_the_build_ended(begin, build, engine, manifests):
    manifests.new_epoch(3)
    build(engine, OffsetRange("transactions", 0, 0, 40), OffsetRange("labels", 0, 0, 20))
    identity, _ = begin()
    assert (identity.stream_epoch, identity.from_empty) == (5, False)
    # Partition 1 held nothing when the lake was read.
    assert identity.starting == {"transactions": {0: 40, 1: 0}, "labels": {0: 20}}


def test_a_build_that_never_finished_is_noticed(begin, path, epochs, engine, free):
    state = OpenState.take(epochs, engine.digest, "builder")
    state.store.begin_batch(state.lease, BatchTag(4, 0))
    state.close()
    with pytest.raises(StateStoreError, match="build it again"):
        begin()
    assert not path.exists()
    free()


def test_a_state_that_was_catching_up_belongs_to_another_stream(begin, build, epochs, engine, manifests, free):
    build(engine, *RANGES)
    manifests.write(BatchManifest(2, 0, RANGES, engine.digest))
    state = OpenState.take(epochs, engine.digest, "another")
    state.store.begin_batch(state.lease, BatchTag(2, 0))
    state.close()
    with pytest.raises(StateStoreError, match=r"whose checkpoint is gone.*paywarden state build"):
        begin()
    free()


def test_with_kafka_away_no_lease_is_left_behind(path, epochs, served, manifests, free):
    def away():
        raise KafkaError("no broker answered")

    with pytest.raises(KafkaError):
        begin_stream(path, epochs, lambda: served, manifests, away)
    free()


def test_a_restart_is_the_same_stream(begin, manifests):
    first, state = begin()
    manifests.write(BatchManifest(1, 1, RANGES, state.layout))
    state.store.begin_batch(state.lease, BatchTag(1, 1))
    again, newer = begin()  # after a crash: nothing was released
    assert again == first
    assert newer.lease.fence > state.lease.fence


def test_a_restart_asks_for_no_champion(begin, path, epochs, manifests):
    first, _ = begin()
    assert begin_stream(path, epochs, lambda: pytest.fail("asked"), manifests, dict)[0] == first


def test_a_restart_before_the_first_batch_wrote_is_the_same_stream(begin, manifests):
    first, state = begin()
    assert begin()[0] == first
    manifests.write(BatchManifest(1, 1, RANGES, state.layout))
    assert begin()[0] == first


def test_a_checkpoint_of_another_epoch_is_refused(begin, build, engine, free):
    _, state = begin()
    state.close()
    build(engine, *RANGES)
    with pytest.raises(StateStoreError, match="epoch 1, the state is at epoch 2; remove that directory"):
        begin()
    free()


def test_a_lost_checkpoint_without_manifests_is_refused(begin, path, free):
    _, state = begin()
    state.store.begin_batch(state.lease, BatchTag(1, 3))
    state.close()
    path.unlink()
    with pytest.raises(StateStoreError, match=r"batch 3 of epoch 1.*checkpoint is gone.*paywarden state build"):
        begin()
    free()


def test_a_lost_directory_is_restored_from_the_newest_manifest(begin, path, manifests, engine):
    _, state = begin()
    planned = BatchManifest(1, 3, RANGES, engine.digest, "6", "digest")
    manifests.write(planned)
    state.store.begin_batch(state.lease, BatchTag(1, 3))
    state.close()
    path.unlink()
    identity, again = begin()
    assert (identity.stream_epoch, identity.first_batch, identity.owner) == (1, 3, again.lease.owner)
    assert (identity.bundle_version, identity.bundle_digest) == ("6", "digest")
    assert identity.starting == {"labels": {0: 2}, "transactions": {0: 5}}
    again.close()
    assert begin()[0] == identity  # and a restart is the same stream


def test_a_lost_state_is_refused(begin, manifests, epochs, engine, free):
    """Its stream would go on from the checkpoint with every card a stranger."""
    _, state = begin()
    for batch in (1, 2):
        manifests.write(BatchManifest(1, batch, RANGES, state.layout))
    state.close()
    epochs.remove(engine.digest)
    with pytest.raises(StateStoreError, match=r"the state is empty.*paywarden state rebuild"):
        begin()
    free()


def test_a_state_whose_rebuild_was_cut_off_is_refused(begin, epochs, engine, free):
    _, state = begin()
    state.close()
    epochs.remove(engine.digest)
    half = OpenState.take(epochs, engine.digest, "rebuilder")
    half.store.begin_batch(half.lease, UNFINISHED)
    half.close()
    with pytest.raises(StateStoreError, match=r"rebuild .* was cut off; run `paywarden state rebuild` again"):
        begin()
    free()


def test_a_lost_build_is_refused(begin, build, engine, epochs, free):
    build(engine, *RANGES)
    begin()[1].close()
    epochs.remove(engine.digest)
    with pytest.raises(StateStoreError, match=r"the state is empty.*paywarden state rebuild"):
        begin()
    free()


def test_a_state_put_back_from_before_this_epoch_is_refused(begin, path, build, engine, manifests):
    build(engine, *RANGES)
    identity, state = begin()
    state.close()
    changed = identity.__class__(**{**vars(identity), "stream_epoch": 5, "first_batch": 9})
    changed.save(path)
    begin()[1].close()  # gone over to this epoch, and no batch yet
    manifests.write(BatchManifest(5, 9, RANGES, state.layout))
    begin()[1].close()
    manifests.write(BatchManifest(5, 10, RANGES, state.layout))
    with pytest.raises(StateStoreError, match=r"the state is at epoch 1\. Restore it"):
        begin()


def test_while_another_stream_runs_it_needs_a_takeover(begin, epochs, engine):
    OpenState.take(epochs, engine.digest, "another")
    with pytest.raises(LeaseHeld):
        begin()
    assert begin(takeover=True)[0].stream_epoch == 1


def test_a_fresh_stream_never_reuses_the_epoch_of_older_manifests(begin, manifests):
    manifests.write(BatchManifest(3, 1, RANGES, "layout"))
    assert begin()[0].stream_epoch == 4


@pytest.mark.parametrize("left_empty", [False, True])
def test_beside_other_states_the_champions_must_be_built(begin, build, newer_engine, epochs, engine, path, left_empty):
    build(newer_engine, *RANGES)
    if left_empty:
        OpenState.take(epochs, engine.digest, "someone").close()
    with pytest.raises(StateStoreError, match=r"no state for the champion, version 7.*state build --model 7"):
        begin()
    assert not path.exists()
    assert (engine.digest in epochs.layouts()) is left_empty


def test_leases_that_a_crash_left_on_other_states_are_given_back(
    begin, build, epochs, engine, newer_engine, free, events
):
    build(engine, *RANGES)
    identity, _ = begin()
    build(newer_engine, *RANGES)
    OpenState.take(epochs, newer_engine.digest, identity.owner)
    begin()
    free(newer_engine.digest)
    OpenState.take(epochs, newer_engine.digest, "a builder at work")
    begin()
    with pytest.raises(LeaseHeld):
        free(newer_engine.digest)


def test_a_stream_killed_before_it_had_begun_needs_no_takeover(path, epochs, served, manifests, monkeypatch):
    def killed():
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(OpenState, "close", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            begin_stream(path, epochs, lambda: served, manifests, killed)
    assert not path.exists()
    begin_stream(path, epochs, lambda: served, manifests, dict)[1].close()


def test_an_identity_is_written_whole(path):
    identity = StreamIdentity("me", 2, 1, "layout", False, "1", "digest", EARLIEST)
    identity.save(path)
    assert StreamIdentity.load(path) == identity
    assert [file.name for file in path.parent.iterdir()] == ["identity.json"]
    assert json.loads(path.read_text())["stream_epoch"] == 2


@pytest.mark.parametrize("text", ["{", "[]", '{"owner": "me", "stream_epoch": 1, "starting": {}}', '{"starting": 3}'])
def test_an_identity_that_cannot_be_read_says_what_to_do(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(StreamError, match="paywarden state build"):
        StreamIdentity.load(path)
