"""A champion goes live on a new state and is rolled back, the stream being killed at every single step of it."""

from __future__ import annotations

import itertools
import shutil

import pytest
from tests.unit.jobs.events import everything, expected

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.features.manifest import BatchOutcome
from paywarden.jobs.catch_up import CatchUp
from paywarden.jobs.epochs import lineages
from paywarden.jobs.live_rules import LiveRules
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.state_build import build_state
from paywarden.jobs.state_fold import fold_into
from paywarden.jobs.stream import StreamJob
from paywarden.jobs.stream_identity import StreamIdentity, begin_stream
from paywarden.jobs.stream_rules import StreamRules

BATCHES = 6
OUTCOME = BatchOutcome(0, 0, 0, 0, 0, 0, None, None, None)


class Killed(BaseException):
    """`kill -9`: nothing of the process runs any more."""


class Mortal:
    """Counts steps down; from the last one on, every step of the process fails, its cleaning up too."""

    def __init__(self, steps):
        self.left = steps

    def step(self):
        self.left -= 1
        if self.left <= 0:
            raise Killed

    def around(self, target, *names):
        """The target, with a step before each call of these methods, and after it."""
        return _Stepping(self, target, names)


class _Stepping:
    def __init__(self, mortal, target, names):
        self._mortal, self._target, self._names = mortal, target, names

    def __getattr__(self, name):
        found = getattr(self._target, name)
        if name not in self._names:
            return found

        def stepped(*given, **options):
            self._mortal.step()
            result = found(*given, **options)
            self._mortal.step()
            return result

        return stepped


class World:
    """What survives a kill: states, manifests, the checkpoint and what was executed."""

    def __init__(self, directory, events, models):
        self.events, self.models = events, models
        self.epochs = LmdbEpochs(directory / "states", 2, map_size=1 << 20)
        self.manifests = ManifestFiles(directory / "manifests")
        self.path = directory / "identity.json"
        self.champion_version = "1"
        self.done = 0
        self.batches = {}

    def champion(self):
        return self.models[self.champion_version]

    def challenger(self):
        return None

    def exact(self, version, digest):
        assert self.models[version].bundle.digest == digest
        return self.models[version]

    def build(self, version, share):
        end = self.events.at(share)
        ranges = self.events.spans(self.events.at(0), end)
        engine = self.models[version].engine
        build_state(self.epochs, self.manifests, engine, self.events.history(end), ranges, "builder")

    def ranges(self, batch_id):
        """The stream begins where the build of version 1 ended, at a quarter."""
        start, end = (self.events.at(0.25 + 0.75 * n / BATCHES) for n in (batch_id, batch_id + 1))
        return self.events.spans(start, end)

    def run_until(self, batches, mortal, monkeypatch):
        """A process that begins and runs batches, with Spark's part: a batch is done once its job returns."""
        with monkeypatch.context() as patched:
            epochs = _MortalEpochs(mortal, self.epochs)
            save = StreamIdentity.save
            patched.setattr(StreamIdentity, "save", lambda *given: (mortal.step(), save(*given), mortal.step()))
            manifests = mortal.around(self.manifests, "write", "new_epoch")
            identity, state = begin_stream(self.path, epochs, self.champion, manifests, lambda: self.events.at(0))
            job = StreamJob(
                self.path,
                identity,
                state,
                manifests=manifests,
                models=self,
                rules=StreamRules(LiveRules(None, (), _silent, pytest.fail), None, pytest.fail),
                catch_up=CatchUp(
                    epochs, manifests, self.events.read, lambda: self.events.at(0), _silent, _silent, piece_records=70
                ),
                publish=lambda _: mortal.step(),
                report=_silent,
                warn=pytest.fail,
                say=_silent,
                clock=lambda: 0,
            )
            while self.done < batches:
                job(self.done, self.ranges(self.done), lambda *given: self._execute(mortal, *given))
                mortal.step()
                self.done += 1
            mortal.step()
            job.close()

    def _execute(self, mortal, manifest, files, catalogue, recipe, lease, *_):
        """The stream's own fold; a model is asked for the features that its state gives."""
        served = next(m for m in self.models.values() if m.bundle.to_files() == files)
        assert (served.engine.digest, served.engine.catalogue) == (manifest.state_layout, catalogue)
        store = mortal.around(recipe(), "write_many")
        fold_into(store, lease, served.engine, *self.events.read(manifest.ranges), manifest.tag)
        self.batches.setdefault(manifest.batch, manifest)
        assert self.batches[manifest.batch] == manifest  # a retry obeys
        store.close()
        return OUTCOME


class _MortalEpochs:
    def __init__(self, mortal, epochs):
        self._mortal, self._epochs = mortal, epochs

    def __getattr__(self, name):
        return getattr(self._epochs, name)

    def recipe(self, layout):
        recipe = self._epochs.recipe(layout)

        class Recipe:
            def __call__(_):  # noqa: N805
                store = recipe()
                return self._mortal.around(store, "acquire", "release", "begin_batch", "write_many", "clear", "close")

        return Recipe()


def _silent(*_):
    pass


@pytest.fixture(scope="module")
def served(bundle, engine, newer_bundle, newer_engine):
    return {"1": ServedModel("1", bundle, engine), "2": ServedModel("2", newer_bundle, newer_engine)}


PHASES = (("1", 2), ("2", 4), ("1", BATCHES))
"""The champion, until so many batches are done."""


def play(world, phases, monkeypatch, mortal=None):
    """Some phases of the story, the first of them in a process that may be killed; whether it was."""
    killed = False
    for phase in phases:
        world.champion_version, batches = PHASES[phase]
        if phase == 1 and world.done == PHASES[0][1]:
            world.build("2", 0.3)
        try:
            world.run_until(batches, mortal or Mortal(1_000_000), monkeypatch)
        except Killed:
            killed = True
            world.run_until(batches, Mortal(1_000_000), monkeypatch)
        mortal = None
    return killed


def check(world, events, served):
    """Every event was decided once, each state is what a replay gives, and the champion serves at the end."""
    decided = [m for m in world.manifests.all() if m.bundle_digest]
    assert sorted(m.batch for m in decided) == list(range(1, world.done + 1))
    assert [m.ranges for m in sorted(decided, key=lambda m: m.batch)] == [world.ranges(n) for n in range(world.done)]
    by_layout = {model.engine.digest: model.engine for model in served.values()}
    found = lineages(world.manifests.all())
    assert len(found) == (1 if world.done == PHASES[0][1] else 2)
    for lineage in found:
        engine = by_layout[lineage[0].state_layout]
        store = world.epochs.find(engine.digest)()
        assert everything(store, engine) == expected(events, engine, lineage)
        store.close()
    assert max(decided, key=lambda m: m.batch).bundle_version == world.champion_version


def begun(directory, events, served):
    world = World(directory, events, served)
    world.build("1", 0.25)
    return world


def test_unharmed_each_champion_serves_from_its_first_batch_or_soon_after(tmp_path, events, served, monkeypatch):
    world = begun(tmp_path, events, served)
    assert not play(world, range(len(PHASES)), monkeypatch)
    check(world, events, served)
    versions = [m.bundle_version for m in sorted(world.batches.values(), key=lambda m: m.batch)]
    assert versions == ["1", "1", "2", "2", "1", "1"]


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_killed_at_any_step_nothing_is_lost_or_folded_twice(tmp_path, events, served, monkeypatch, phase):
    before = begun(tmp_path / "before", events, served)
    play(before, range(phase), monkeypatch)
    kills = 0
    for steps in itertools.count(1):
        world = World(shutil.copytree(tmp_path / "before", tmp_path / str(steps)), events, served)
        world.done, world.batches = before.done, dict(before.batches)
        killed = play(world, [phase], monkeypatch, Mortal(steps))
        check(world, events, served)
        if not killed:
            break
        kills += 1
    assert kills > (30 if phase else 10)
