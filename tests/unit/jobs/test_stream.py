import dataclasses

import numpy as np
import pytest

from paywarden.adapters.local.rule_book_files import RuleBookFiles
from paywarden.errors import BundleError, DataError, Fenced, KafkaError, RegistryError, StreamError
from paywarden.events.schema import EventSchema
from paywarden.features.duplicates import ROUTING
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.epochs import OpenState
from paywarden.jobs.live_rules import LiveRules
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_build import build_state
from paywarden.jobs.stream import StreamJob
from paywarden.jobs.stream_identity import StreamIdentity, begin_stream
from paywarden.jobs.stream_rules import StreamRules
from paywarden.scoring.rules.book_bytes import from_bytes
from paywarden.scoring.rules.ruling import fields_of

FIELDS = fields_of(EventSchema().transaction_schema())
NOTHING = BatchOutcome(0, 0, 0, 0, 0, 0, None, None, None)


class Models:
    """A registry of models, of which the champion changes."""

    def __init__(self, **served):
        self.served = {name[1:]: ServedModel(name[1:], *model) for name, model in served.items()}
        self.champion_version = "1"
        self.challenger_version = None
        self.away = None

    def champion(self):
        if self.away:
            raise self.away
        return self.served[self.champion_version]

    def challenger(self):
        return self.served[self.challenger_version] if self.challenger_version else None

    def exact(self, version, digest):
        if self.served[version].bundle.digest != digest:
            raise BundleError("another digest")
        return self.served[version]


@pytest.fixture
def models(bundle, other_bundle, newer_bundle, engine, newer_engine):
    return Models(v1=(bundle, engine), v2=(other_bundle, engine), v3=(newer_bundle, newer_engine))


class Stream:
    """A job with what it told."""

    def __init__(self, path, epochs, models, manifests, events, *, publish=None, piece_records=10_000, **options):
        self.path, self.epochs, self.manifests, self.events = path, epochs, manifests, events
        self.published, self.reported, self.warnings, self.said = [], [], [], []
        identity, self.state = begin_stream(path, epochs, models.champion, manifests, lambda: events.at(0))
        self.starting = identity.starting
        self.policy = path.with_name("policy.yaml")
        self.policy.touch()
        live = LiveRules(self.policy, FIELDS, self.said.append, self.warnings.append)
        self.kept = path.with_name("policies")
        ticks = iter(range(0, 1_000_000, 500))
        publish = publish or self.published.append
        self.job = StreamJob(
            path,
            identity,
            self.state,
            manifests=manifests,
            models=models,
            rules=StreamRules(live, RuleBookFiles(self.kept), self.warnings.append),
            catch_up=CatchUp(
                epochs, manifests, events.read, lambda: events.at(0), publish, self.said.append, piece_records
            ),
            publish=publish,
            report=lambda *figures: self.reported.append(figures),
            warn=self.warnings.append,
            say=self.said.append,
            clock=lambda: next(ticks),
            **options,
        )

    @property
    def identity(self):
        return StreamIdentity.load(self.path)

    def ranges(self, batch_id, share=0.1):
        """Ten per cent of all events a batch."""
        return self.events.spans(self.events.at(batch_id * share), self.events.at((batch_id + 1) * share))

    def run(self, batch_id, execute=None):
        """What a batch was executed with."""
        ran = []

        def record(*given):
            ran.append(given)
            return execute(*given) if execute else NOTHING

        self.job(batch_id, self.ranges(batch_id), record)
        return ran[0]


@pytest.fixture
def start(tmp_path, epochs, models, manifests, events):
    streams = []

    def start(**options):
        streams.append(Stream(tmp_path / "stream" / "identity.json", epochs, models, manifests, events, **options))
        return streams[-1]

    yield start
    for stream in streams:
        stream.job.close()


@pytest.fixture
def stream(start):
    return start()


@pytest.fixture
def build(epochs, manifests, events):
    """A finished build of the events before a share of the way."""

    def build(engine, share=0.0):
        end = events.at(share)
        ranges = events.spans(events.at(0), end)
        return build_state(epochs, manifests, engine, events.history(end), ranges, "builder").manifest

    return build


class TestBatch:
    def test_a_manifest_stands_before_anything_happens(self, stream, manifests, bundle, engine):
        seen = []

        def execute(*given):
            seen.append((manifests.read(BatchTag(1, 1)), stream.state.store.current()))
            return NOTHING

        manifest, files, catalogue, recipe, lease, rules, shadow = stream.run(0, execute)
        assert seen == [(manifest, BatchTag(1, 1))]
        assert stream.published == [manifest]
        assert (files, catalogue, rules, shadow) == (bundle.to_files(), engine.catalogue, None, None)
        assert (recipe, lease) == (stream.epochs.recipe(engine.digest), stream.state.lease)
        assert manifest == BatchManifest(
            1, 1, stream.ranges(0), engine.digest, "1", bundle.digest, bundle.policy.digest, from_empty=True
        )
        assert not stream.run(1)[0].from_empty

    def test_the_manifest_of_the_build_is_published_once_before_the_first_batch(self, start, build, engine):
        made = build(engine)
        stream = start()
        first, second = stream.run(0)[0], stream.run(1)[0]
        assert stream.published == [made, first, second]

    def test_what_a_batch_gave_is_reported_with_its_seconds(self, stream):
        outcome = dataclasses.replace(NOTHING, decisions=4)
        stream.run(0, lambda *_: outcome)
        assert stream.reported == [(stream.published[0], outcome, 0.5)]

    def test_a_manifest_that_cannot_be_published_stops_the_batch(self, start):
        def refuse(_):
            raise StreamError("Kafka is away")

        stream = start(publish=refuse)
        with pytest.raises(StreamError, match="away"):
            stream.run(0, lambda *_: pytest.fail("it ran"))
        assert stream.reported == []

    def test_a_retry_obeys_its_manifest_though_the_champion_changed(self, stream, start, models, bundle, build):
        def crash(*_):
            raise StreamError("killed")

        with pytest.raises(StreamError):
            stream.run(0, crash)
        build(models.served["3"].engine)
        models.champion_version = "3"
        again = start()  # with a state built for it, too
        manifest, files, *_ = again.run(0)
        assert (manifest.bundle_version, manifest.bundle_digest) == ("1", bundle.digest)
        assert files == bundle.to_files()
        assert stream.published + again.published == [manifest, manifest]

    def test_the_next_batch_takes_the_new_champion_up(self, stream, models, other_bundle):
        stream.run(0)
        models.champion_version = "2"
        manifest, files, *_ = stream.run(1)
        assert manifest.bundle_digest == other_bundle.digest
        assert manifest.policy_digest == other_bundle.policy.digest
        assert manifest.stream_epoch == 1
        assert files == other_bundle.to_files()

    def test_other_ranges_than_planned_are_refused(self, stream):
        stream.run(0)
        with pytest.raises(StreamError, match="restore the checkpoint"):
            stream.job(0, (OffsetRange("transactions", 0, 5, 10),), lambda *_: pytest.fail("it ran"))

    def test_a_plan_that_was_never_begun_gives_way(self, stream, manifests, bundle):
        """A stream that is taken over may write one plan more, and no more than that."""
        other = (OffsetRange("transactions", 0, 0, 3),)
        manifests.write(BatchManifest(1, 1, other, stream.state.layout, "9", "e" * 64, "p"))
        manifest = stream.run(0)[0]
        assert (manifest.ranges, manifest.bundle_digest) == (stream.ranges(0), bundle.digest)
        assert manifests.read(manifest.tag) == manifest

    def test_of_two_streams_that_plan_at_once_one_does(self, stream, manifests, monkeypatch):
        monkeypatch.setattr(type(manifests), "create", lambda *_: False)
        with pytest.raises(StreamError, match="let one of them run"):
            stream.run(0, lambda *_: pytest.fail("it ran"))

    def test_a_superseded_stream_plans_and_publishes_nothing(self, stream, epochs, engine, manifests):
        stream.run(0)
        OpenState.take(epochs, engine.digest, "another", takeover=True)
        with pytest.raises(Fenced):
            stream.run(1, lambda *_: pytest.fail("it ran"))
        assert manifests.read(BatchTag(1, 2)) is None
        assert len(stream.published) == 1

    def test_a_retry_whose_model_is_gone_does_not_decide_by_another(self, stream, models):
        stream.run(0)
        models.served["1"] = models.served["2"]
        with pytest.raises(BundleError):
            stream.run(0, lambda *_: pytest.fail("it ran"))

    def test_a_stream_whose_state_is_empty_and_not_its_own_plans_nothing(self, stream, manifests, epochs, engine):
        """As one does whose Redis came back without its data: a plan would say that the state begins there."""
        OpenState.take(epochs, engine.digest, "another", takeover=True)
        assert stream.state.store.current() is None
        with pytest.raises(Fenced):
            stream.run(0)
        assert manifests.read(BatchTag(1, 1)) is None

    def test_a_superseded_stream_does_not_run(self, stream, epochs, engine):
        OpenState.take(epochs, engine.digest, "another", takeover=True)
        with pytest.raises(Fenced):
            stream.run(0, lambda *_: pytest.fail("it ran"))


class TestShadow:
    @pytest.fixture(autouse=True)
    def challenger(self, models):
        models.challenger_version = "2"

    def test_the_manifest_names_it_and_the_batch_has_its_files(self, stream, other_bundle):
        manifest, *_, shadow = stream.run(0)
        assert (manifest.shadow_version, manifest.shadow_digest) == ("2", other_bundle.digest)
        assert manifest.bundle_version == "1"
        assert shadow == other_bundle.to_files()

    def test_a_retry_has_the_shadow_of_its_manifest(self, stream, start, models, other_bundle):
        stream.run(0)
        models.challenger_version = None
        again = start()
        manifest, *_, shadow = again.run(0)
        assert (manifest.shadow_version, shadow) == ("2", other_bundle.to_files())
        assert again.run(1)[0].shadow_digest is None

    def test_a_retry_whose_shadow_is_gone_decides_without_it(self, stream, start, models):
        stream.run(0)
        models.served["2"] = models.served["1"]
        again = start()
        manifest, _files, *_, shadow = again.run(0)
        assert manifest.bundle_version == "1"
        assert shadow is None
        assert "batch 1 is repeated without its challenger" in again.warnings[0]

    def test_one_on_another_state_is_left_out_and_it_is_said_once(self, stream, models, newer_engine):
        models.challenger_version = "3"
        for batch in (0, 1):
            manifest, *_, shadow = stream.run(batch)
            assert (manifest.shadow_digest, shadow) == (None, None)
        (warning,) = stream.warnings
        assert "version 3 is the challenger but is not scored" in warning
        assert newer_engine.digest[:16] in warning

    def test_the_model_that_acts_is_not_its_own_shadow(self, stream, models):
        models.challenger_version = "1"
        assert stream.run(0)[0].shadow_digest is None

    def test_one_that_fails_is_told_of_once_and_stops_nothing(self, stream):
        outcome = dataclasses.replace(NOTHING, decisions=4, shadows=1)
        stream.run(0, lambda *_: outcome)
        stream.run(1, lambda *_: dataclasses.replace(outcome, shadows=4))
        assert stream.warnings == [
            "the challenger, version 2, has failed on 3 of 4 transactions of batch 1; the acting model is not concerned"
        ]


LARGE = "rules: [{name: large, when: transaction.amount > 100, then: review}]"
LARGER = LARGE.replace("100", "2000")
LACKING = "rules: [{name: odd, when: features.sometime > 1.0, then: review}]"


class TestRules:
    @pytest.fixture
    def stream(self, start):
        stream = start()
        stream.policy.write_text(LARGE)
        return stream

    def test_a_batch_has_the_book_in_force_and_its_manifest_covers_it(self, stream, bundle):
        manifest, *_, rules, _shadow = stream.run(0)
        book = from_bytes(rules)
        assert [rule.name for rule in book.rules] == ["large"]
        assert manifest.rules_digest == book.digest
        assert manifest.policy_digest == book.policy_digest(bundle.policy.digest) != bundle.policy.digest
        assert stream.said[-1] == f"the policy {book.digest[:12]} is in force: 0 lists, 1 rules"

    def test_another_file_is_taken_up_by_the_next_batch_and_not_within_one(self, stream):
        def edit(*_):
            stream.policy.write_text(LARGER)
            return NOTHING

        first, second = stream.run(0, edit), stream.run(1)
        assert from_bytes(first[5]).rules[0].when.source.endswith("> 100")
        assert from_bytes(second[5]).rules[0].when.source.endswith("> 2000")
        assert first[0].policy_digest != second[0].policy_digest

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("rules: [{name: wrong}]", "rule 'wrong': then is None"),
            (LACKING, "rule 'odd': there is no feature sometime"),
        ],
    )
    def test_a_wrong_file_is_told_and_the_former_goes_on(self, stream, text, told):
        before = stream.run(0)[0]
        stream.policy.write_text(text)
        assert [stream.run(batch)[0].rules_digest for batch in (1, 2)] == [before.rules_digest] * 2
        (warning,) = stream.warnings
        assert warning.startswith("the former policy goes on")
        assert told in warning

    def test_a_retry_has_the_book_of_its_manifest_though_the_file_changed(self, stream, start):
        def crash(*_):
            raise StreamError("killed")

        with pytest.raises(StreamError):
            stream.run(0, crash)
        planned = stream.manifests.read(BatchTag(1, 1))
        stream.policy.write_text(LARGER)
        again = start()
        manifest, *_, rules, _shadow = again.run(0)
        assert manifest == planned
        assert from_bytes(rules).digest == planned.rules_digest
        assert again.run(1)[0].rules_digest != planned.rules_digest

    def test_a_retry_without_rules_gets_none_that_came_meanwhile(self, start):
        stream = start()
        stream.run(0)
        stream.policy.write_text(LARGE)
        again = start()
        assert again.run(0)[5] is None
        assert again.run(1)[5] is not None

    def test_a_retry_whose_book_is_lost_does_not_decide_by_another(self, stream, start):
        planned, *_, rules, _shadow = stream.run(0)
        (stream.kept / f"{planned.rules_digest}.json").unlink()
        assert start().run(0)[5] == rules  # the file is still what it was
        stream.policy.write_text(LARGER)
        again = start()
        with pytest.raises(StreamError, match=f"{planned.rules_digest}.json any more; restore that file"):
            again.run(0, lambda *_: pytest.fail("it ran"))
        (again.kept / f"{planned.rules_digest}.json").write_bytes(rules.replace(b"100", b"101"))
        with pytest.raises(DataError, match="was altered"):
            again.run(0, lambda *_: pytest.fail("it ran"))

    def test_rules_that_a_new_champion_cannot_compute_are_told_once(self, stream, models, engine, bundle):
        fewer = dataclasses.replace(engine.catalogue, request=engine.catalogue.request[:-1])
        lost = engine.catalogue.request[-1]
        models.served["4"] = ServedModel("4", dataclasses.replace(bundle, catalogue=fewer), type(engine)(fewer))
        stream.policy.write_text(LACKING.replace("sometime", lost))
        stream.run(0)
        models.champion_version = "4"
        for batch in (1, 2):
            assert stream.run(batch)[5] is not None
        (warning,) = stream.warnings
        assert warning.startswith(f"version 4 has no {lost}: rules that read it hold of no payment")


class TestFormerModel:
    @pytest.mark.parametrize("error", [RegistryError("MLflow is away"), BundleError("altered")])
    def test_it_goes_on_while_there_is_no_champion(self, stream, start, models, error):
        stream.run(0)
        models.champion_version = "2"
        stream.run(1)
        models.away = error
        restarted = start()
        for batch in (2, 3, 4):
            assert restarted.run(batch)[0].bundle_version == "2"
        assert restarted.warnings == [f"still serving version 2: {error}"]  # said once

    def test_before_any_batch_it_is_the_one_the_stream_began_with(self, stream, start, models):
        models.away = RegistryError("MLflow is away")
        assert start().run(0)[0].bundle_version == "1"

    def test_it_goes_on_while_the_champions_state_is_missing(self, stream, start, models, engine):
        stream.run(0)
        models.champion_version = "3"
        for batch in (1, 2):
            manifest, _, catalogue, *_ = stream.run(batch)
            assert (manifest.bundle_version, manifest.state_layout, catalogue) == ("1", engine.digest, engine.catalogue)
        (warning,) = stream.warnings
        assert "paywarden state build --model 3" in warning
        assert start().run(3)[0].bundle_version == "1"  # after a restart too

    def test_it_goes_on_while_the_champions_state_is_being_built(self, stream, models, epochs, newer_engine):
        stream.run(0)
        models.champion_version = "3"
        builder = OpenState.take(epochs, newer_engine.digest, "builder")
        assert stream.run(1)[0].bundle_version == "1"
        builder.close()
        assert stream.run(2)[0].bundle_version == "1"
        assert ["builder" in warning or "never finished" in warning for warning in stream.warnings] == [True, True]

    def test_it_goes_on_while_kafka_cannot_be_read(self, stream, models, build, newer_engine, monkeypatch):
        stream.run(0)
        build(newer_engine)
        models.champion_version = "3"

        def away(_):
            raise KafkaError("no broker")

        with monkeypatch.context() as patched:
            patched.setattr(stream.job._catch_up, "read", away)
            assert stream.run(1)[0].bundle_version == "1"
        assert stream.run(2)[0].bundle_version == "3"


class TestGoingOver:
    def test_state_and_champion_change_together(
        self, stream, models, build, newer_engine, newer_bundle, engine, epochs
    ):
        for batch in (0, 1, 2):
            stream.run(batch)
        build(newer_engine, 0.1)
        models.champion_version = "3"
        manifest, files, catalogue, recipe, *_ = stream.run(3)
        assert (manifest.bundle_version, manifest.state_layout) == ("3", newer_engine.digest)
        assert (files, catalogue) == (newer_bundle.to_files(), newer_engine.catalogue)
        assert recipe == epochs.recipe(newer_engine.digest)
        assert not manifest.from_empty
        identity = stream.identity
        assert (identity.stream_epoch, identity.first_batch, identity.layout) == (
            manifest.stream_epoch,
            4,
            newer_engine.digest,
        )
        piece = stream.published[-2]
        assert piece.ranges == stream.events.spans(stream.events.at(0.1), stream.events.at(0.3))
        assert (piece.batch, piece.bundle_digest) == (0, None)
        assert "version 3 serves from batch 4 on" in stream.said[-1]
        OpenState.take(epochs, engine.digest, "free now").close()

    def test_a_restart_goes_on_with_the_new_state(self, stream, start, models, build, newer_engine):
        stream.run(0)
        build(newer_engine)
        models.champion_version = "3"
        epoch = stream.run(1)[0].stream_epoch
        again = start()
        assert again.state.layout == newer_engine.digest
        assert again.run(1)[0].stream_epoch == again.run(2)[0].stream_epoch == epoch

    def test_while_more_is_to_catch_up_than_a_piece_the_former_model_goes_on(self, start, models, build, newer_engine):
        stream = start(piece_records=60)
        for batch in range(6):
            stream.run(batch)
        build(newer_engine)
        models.champion_version = "3"
        served = [stream.run(batch)[0].bundle_version for batch in range(6, 10)]
        assert served[0] == "1"
        assert served[-1] == "3"
        assert served == sorted(served)
        assert stream.warnings == []

    def test_a_state_ahead_of_the_stream_waits(self, stream, models, build, newer_engine):
        stream.run(0)
        build(newer_engine, 0.3)
        models.champion_version = "3"
        assert [stream.run(batch)[0].bundle_version for batch in (1, 2, 3)] == ["1", "1", "3"]

    def test_going_back_finds_the_former_state_kept(self, stream, models, build, engine, newer_engine):
        stream.run(0)
        build(newer_engine)
        models.champion_version = "3"
        stream.run(1)
        models.champion_version = "1"
        manifest, _, catalogue, *_ = stream.run(2)
        assert (manifest.bundle_version, manifest.state_layout, catalogue) == ("1", engine.digest, engine.catalogue)
        assert stream.published[-2].ranges == stream.ranges(1)  # what the other state saw meanwhile

    def test_a_champion_withdrawn_while_catching_up_leaves_its_state_free(
        self, start, models, build, newer_engine, epochs
    ):
        stream = start(piece_records=20)
        for batch in range(3):
            stream.run(batch)
        build(newer_engine)
        models.champion_version = "3"
        stream.run(3)
        models.champion_version = "1"
        stream.run(4)
        OpenState.take(epochs, newer_engine.digest, "a builder").close()

    def test_a_stream_that_was_taken_over_does_not_go_on_elsewhere(
        self, stream, models, build, engine, newer_engine, epochs
    ):
        stream.run(0)
        build(newer_engine)
        models.champion_version = "3"
        OpenState.take(epochs, engine.digest, "another", takeover=True)
        with pytest.raises(Fenced):
            stream.run(1)
        assert stream.identity.layout == engine.digest

    def test_two_models_of_one_layout_need_no_other_state(self, stream, models, engine, bundle):
        """The catalogue of a batch is its model's, whatever state they share."""
        fewer = dataclasses.replace(engine.catalogue, request=engine.catalogue.request[:-1])
        twin = type(engine)(fewer)
        assert twin.digest == engine.digest
        models.served["4"] = ServedModel("4", dataclasses.replace(bundle, catalogue=fewer), twin)
        stream.run(0)
        models.champion_version = "4"
        manifest, _, catalogue, *_ = stream.run(1)
        assert (manifest.stream_epoch, manifest.bundle_version, catalogue) == (1, "4", fewer)


class TestForgetting:
    def write(self, stream, entity, key, newest_ms):
        """A record of one key, seen last at a time."""
        engine, store = stream.job._models.champion().engine, stream.state.store
        state = np.zeros((1, engine.words(entity)), dtype=np.int64)
        if entity == ROUTING:
            state[0, 1] = 77
            state[0, 1 + engine.catalogue.memory.ids] = newest_ms
        else:
            state[0, :2] = newest_ms
        store.write_many(stream.state.lease, entity, 0, [key], state, BatchTag(1, 1))

    def records(self, stream):
        return {size.entity: size.records for size in stream.state.store.stats()}

    def test_only_records_idle_for_two_lifetimes_go(self, stream, engine):
        stream.state.store.begin_batch(stream.state.lease, BatchTag(1, 1))
        lifetime = engine.catalogue.memory.record_ttl_ms
        now = 10 * lifetime
        for entity in ("card", "merchant"):
            self.write(stream, entity, b"young", now - lifetime)
            self.write(stream, entity, b"late", now - 2 * lifetime)
            self.write(stream, entity, b"old", now - 2 * lifetime - 1)
        self.write(stream, ROUTING, b"young", now - 1)
        self.write(stream, ROUTING, b"old", 1)
        assert stream.job.forget(engine, now) == 3
        assert self.records(stream) == {"card": 2, "merchant": 2, ROUTING: 1}

    def test_it_happens_now_and_then(self, start, engine):
        lifetime = engine.catalogue.memory.record_ttl_ms
        late = dataclasses.replace(NOTHING, latest_received_at=10 * lifetime)
        stream = start(forget_every_batches=2)

        def execute(*_):
            if stream.state.store.current().batch == 1:
                self.write(stream, "card", b"old", 1)
            return late

        stream.run(0, execute)
        assert self.records(stream)["card"] == 1
        stream.run(1, execute)
        assert self.records(stream).get("card", 0) == 0
