import pytest
from tests.unit.jobs.events import everything, expected

from paywarden.errors import KafkaError, LeaseHeld, StateStoreError
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.epochs import OpenState, ends_of, lineages
from paywarden.jobs.state_build import build_state


class Kafka:
    """Reads events, and remembers what was asked for; may have lost what came before."""

    def __init__(self, events):
        self.events, self.read, self.lost = events, [], False

    def __call__(self, ranges):
        if self.lost:
            raise KafkaError("removed by retention")
        self.read.append(ranges)
        return self.events.read(ranges)


@pytest.fixture
def kafka(events):
    return Kafka(events)


@pytest.fixture
def said():
    return []


@pytest.fixture
def published():
    return []


@pytest.fixture
def catch_up(epochs, manifests, kafka, events, said, published):
    made = CatchUp(epochs, manifests, kafka, lambda: events.at(0), published.append, said.append, piece_records=90)
    yield made
    made.give_up()


@pytest.fixture
def built(epochs, manifests, engine, events):
    """A state of the first 30 % of events."""
    end = events.at(0.3)
    return build_state(
        epochs, manifests, engine, events.history(end), events.spans(events.at(0), end), "builder"
    ).manifest


def advanced(catch_up, engine, position, most=50):
    """The state once it is there, and how many calls that took."""
    for calls in range(1, most):
        state = catch_up.advance(engine, "stream", position)
        if state:
            return state, calls
    raise AssertionError("it never gets there")


def test_it_gets_to_the_position_in_bounded_pieces(catch_up, built, engine, events, kafka, manifests, published):
    state, calls = advanced(catch_up, engine, events.at(0.9))
    assert calls == 2
    sizes = [sum(span.end - span.start for span in ranges) for ranges in kafka.read]
    assert sum(sizes) == sum(s.end - s.start for s in events.spans(events.at(0.3), events.at(0.9)))
    assert max(sizes) <= 90 + len(kafka.read[0])
    made = manifests.all()
    assert made == published
    assert [(m.stream_epoch, m.batch, m.bundle_digest, m.from_empty) for m in made[1:]] == [
        (2, 0, None, False),
        (3, 0, None, False),
    ]
    assert ends_of(made[-1].ranges) == events.at(0.9)
    (lineage,) = lineages(made)
    assert everything(state.store, engine) == expected(events, engine, lineage)
    state.close()


def test_a_state_that_is_there_already_is_given_at_once(catch_up, built, engine, events, kafka, manifests):
    state, calls = advanced(catch_up, engine, events.at(0.3))
    assert (calls, kafka.read, manifests.all()) == (1, [], [built])
    state.close()


def test_partitions_that_the_build_did_not_know_begin_at_kafkas_beginning(
    catch_up, epochs, engine, events, manifests, kafka
):
    end = events.at(0.3)
    build_state(epochs, manifests, engine, events.history(end), events.spans(events.at(0), end)[1:], "builder")
    state, _ = advanced(catch_up, engine, events.at(0.6))
    assert {(s.topic, s.partition): s.start for s in kafka.read[0]} == {
        ("labels", 0): 0,
        ("transactions", 0): end["transactions"][0],
        ("transactions", 1): end["transactions"][1],
    }
    state.close()


def test_a_state_ahead_of_the_stream_waits_for_it(catch_up, built, engine, events, kafka, said):
    assert catch_up.advance(engine, "stream", events.at(0.2)) is None
    assert "ahead" in said[-1]
    assert kafka.read == []
    state, _ = advanced(catch_up, engine, events.at(0.3))
    state.close()


def test_one_partition_ahead_is_enough_to_wait(catch_up, built, engine, events, kafka):
    position = events.at(0.6)
    position["transactions"][1] = events.at(0.2)["transactions"][1]
    assert catch_up.advance(engine, "stream", position) is None
    assert kafka.read == []


def test_what_was_left_half_way_is_folded_again_and_changes_nothing(catch_up, built, engine, events, manifests, kafka):
    """A batch of a stream, cut short after it had written one record."""
    ranges = events.spans(events.at(0.3), events.at(0.5))
    manifests.write(BatchManifest(1, 1, ranges, engine.digest, "1", "digest", "policy"))
    state = OpenState.take(catch_up.epochs, engine.digest, "stream")
    state.store.begin_batch(state.lease, BatchTag(1, 1))
    words = engine.words("card")
    state.store.write_many(
        state.lease, "card", 0, [b"half"], state.store.read_many("card", 0, [b"half"], words), BatchTag(1, 1)
    )
    state.store.delete_where(state.lease, "card", 0, words, lambda states: states[:, 0] == 0)
    state.close()
    state, _ = advanced(catch_up, engine, events.at(0.7))
    assert kafka.read[0] == ranges
    (lineage,) = lineages(manifests.all())
    assert everything(state.store, engine) == expected(events, engine, lineage)
    state.close()


def test_a_piece_planned_and_never_begun_is_folded_first(catch_up, built, engine, events, manifests, kafka):
    ranges = events.spans(events.at(0.3), events.at(0.4))
    manifests.write(BatchManifest(2, 0, ranges, engine.digest))
    state, _ = advanced(catch_up, engine, events.at(0.7))
    assert kafka.read[0] == ranges
    (lineage,) = lineages(manifests.all())
    assert everything(state.store, engine) == expected(events, engine, lineage)
    state.close()


def test_no_state_no_catch_up(catch_up, engine, events, epochs):
    with pytest.raises(StateStoreError, match="there is no state"):
        catch_up.advance(engine, "stream", events.at(0.5))
    assert epochs.layouts() == []


def test_a_state_that_is_being_built_is_left_alone(catch_up, built, engine, events, epochs):
    builder = OpenState.take(epochs, engine.digest, "builder")
    with pytest.raises(LeaseHeld):
        catch_up.advance(engine, "stream", events.at(0.5))
    builder.require_lease()
    builder.close()


def test_where_kafka_has_lost_what_is_between_nothing_is_held(catch_up, built, engine, events, epochs, kafka):
    kafka.lost = True
    with pytest.raises(KafkaError):
        catch_up.advance(engine, "stream", events.at(0.5))
    OpenState.take(epochs, engine.digest, "builder").close()
    kafka.lost = False
    state, _ = advanced(catch_up, engine, events.at(0.5))
    state.close()


def test_given_up_it_can_be_taken_up_again(catch_up, built, engine, events, epochs, manifests):
    assert catch_up.advance(engine, "stream", events.at(0.9)) is None
    catch_up.give_up()
    OpenState.take(epochs, engine.digest, "builder").close()
    state, _ = advanced(catch_up, engine, events.ends)
    (lineage,) = lineages(manifests.all())
    assert everything(state.store, engine) == expected(events, engine, lineage)
    state.close()
