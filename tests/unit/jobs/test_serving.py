import dataclasses
import shutil

import pytest

from paywarden.errors import BundleError, ContractMismatch, RegistryError
from paywarden.events.schema import EventSchema
from paywarden.jobs.serving import ServingModels, fit_engine


class Registry:
    """Versions by number, a champion among them; may be away."""

    def __init__(self, **bundles):
        self.bundles = {int(name[1:]): bundle for name, bundle in bundles.items()}
        self.now = 1
        self.away = False
        self.fetched = []
        self.said = {}
        self.beside = None

    def champion(self):
        if self.away:
            raise RegistryError("MLflow does not answer")
        return self.now, self.said.get(self.now, self.bundles[self.now].digest)

    def challenger(self):
        if self.away:
            raise RegistryError("MLflow does not answer")
        return (self.beside, self.bundles[self.beside].digest) if self.beside else None

    def get(self, reference):
        if self.away:
            raise RegistryError("MLflow does not answer")
        self.fetched.append(str(reference))
        return self.bundles[int(reference)]


@pytest.fixture
def registry(bundle, other_bundle):
    return Registry(v1=bundle, v2=other_bundle)


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def serving(registry, tmp_path, warnings):
    return ServingModels(registry, EventSchema(), tmp_path / "bundles", warnings.append)


def test_the_champion_is_served_and_fetched_once(serving, registry, bundle):
    for _ in range(3):
        served = serving.champion()
        assert (served.version, served.bundle.digest) == ("1", bundle.digest)
    assert registry.fetched == ["1"]


def test_a_new_champion_is_taken_up(serving, registry, other_bundle, warnings):
    serving.champion()
    registry.now = 2
    assert serving.champion().bundle.digest == other_bundle.digest
    assert warnings == []


def test_while_the_registry_is_away_the_former_serves_and_it_is_said_once(serving, registry, bundle, warnings):
    serving.champion()
    registry.away = True
    assert [serving.champion().bundle.digest for _ in range(3)] == [bundle.digest] * 3
    assert warnings == ["still serving version 1: MLflow does not answer"]
    registry.away = False
    serving.champion()
    registry.away = True
    serving.champion()
    assert len(warnings) == 2  # another outage is news


@pytest.mark.parametrize("part", ["contract_digest", "state_layout_digest"])
def test_a_champion_for_other_features_is_not_taken_up(serving, registry, bundle, warnings, part):
    serving.champion()
    registry.bundles[3] = dataclasses.replace(bundle, **{part: "0" * 64})
    registry.now = 3
    assert serving.champion().version == "1"
    assert len(warnings) == 1


def test_a_champion_with_features_unknown_here_is_not_taken_up(serving, registry, bundle, warnings):
    serving.champion()
    registry.bundles[3] = dataclasses.replace(bundle, feature_names=("a", "b", "c"))
    registry.now = 3
    assert serving.champion().version == "1"
    assert "a, b, c" in warnings[0]


def test_a_champion_of_another_catalogue_comes_with_its_engine(
    serving, registry, engine, newer_bundle, newer_engine, warnings
):
    assert serving.champion().engine.digest == engine.digest
    registry.bundles[3] = newer_bundle
    registry.now = 3
    served = serving.champion()
    assert (served.version, served.engine.digest, served.engine.catalogue) == (
        "3",
        newer_engine.digest,
        newer_engine.catalogue,
    )
    assert serving.exact("3", newer_bundle.digest).engine is served.engine
    assert warnings == []


def test_a_champion_without_a_catalogue_is_not_taken_up(serving, registry, bundle, warnings):
    serving.champion()
    registry.bundles[3] = dataclasses.replace(bundle, catalogue=None)
    registry.now = 3
    assert serving.champion().version == "1"
    assert "train and register it again" in warnings[0]


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (EventSchema(("card",)), "merchant"),
        (EventSchema(("merchant", "card")), "card as the routing entity"),
        (EventSchema(("account",)), "card, merchant"),
    ],
)
def test_a_model_is_refused_where_the_data_lack_what_it_reads(bundle, schema, named):
    with pytest.raises(ContractMismatch, match=f"reads {named}"):
        fit_engine(bundle, schema)


def test_a_champion_that_is_not_what_was_registered_is_not_taken_up(serving, registry, bundle, warnings):
    serving.champion()
    registry.now, registry.said = 2, {2: "e" * 64}
    assert serving.champion().bundle.digest == bundle.digest
    assert "version 2 has digest" in warnings[0]
    assert "expected eeeeeeeeeeee" in warnings[0]


def test_with_nothing_to_go_on_with_the_cause_is_raised(serving, registry, bundle):
    registry.away = True
    with pytest.raises(RegistryError):
        serving.champion()
    registry.away = False
    registry.bundles[1] = dataclasses.replace(bundle, contract_digest="0" * 64)
    with pytest.raises(ContractMismatch):
        serving.champion()


def test_the_model_of_a_manifest_is_exact(serving, registry, bundle, other_bundle):
    serving.champion()
    assert serving.exact("2", other_bundle.digest).bundle.digest == other_bundle.digest
    assert serving.champion().bundle.digest == bundle.digest  # a retry does not change who serves
    with pytest.raises(BundleError, match="register the model again"):
        serving.exact("2", "e" * 64)


def test_the_former_model_that_goes_on_is_read_once(serving, registry, tmp_path, bundle, newer_bundle):
    serving.champion()
    registry.bundles[3], registry.now = newer_bundle, 3
    serving.champion()
    shutil.rmtree(tmp_path / "bundles")
    for _ in range(3):
        assert serving.exact("1", bundle.digest).bundle == bundle
    assert registry.fetched == ["1", "3"]


def test_an_equal_bundle_under_another_version_is_served_as_that_version(serving, registry, bundle):
    assert serving.champion().version == "1"
    registry.bundles[5], registry.now = bundle, 5
    assert serving.champion().version == "5"


def test_a_retry_after_a_restart_finds_its_model_without_the_registry(serving, registry, tmp_path, bundle, warnings):
    serving.champion()
    registry.away = True
    restarted = ServingModels(registry, EventSchema(), tmp_path / "bundles", warnings.append)
    assert restarted.exact("1", bundle.digest).bundle == bundle
    assert registry.fetched == ["1"]


@pytest.fixture
def restarted(registry, tmp_path, warnings):
    return lambda **options: ServingModels(registry, EventSchema(), tmp_path / "bundles", warnings.append, **options)


class TestDamagedCopy:
    @pytest.fixture(autouse=True)
    def damage(self, serving, tmp_path, bundle):
        serving.champion()
        booster = next((tmp_path / "bundles" / bundle.digest).glob("booster*"))
        booster.write_bytes(booster.read_bytes() + b" ")

    def test_it_is_fetched_again(self, restarted, registry, bundle, warnings):
        assert restarted().exact("1", bundle.digest).bundle == bundle
        assert registry.fetched == ["1", "1"]
        assert "is damaged and fetched again" in warnings[0]
        assert restarted().exact("1", bundle.digest).bundle == bundle
        assert registry.fetched == ["1", "1"]  # the copy is whole again

    def test_it_is_never_served(self, restarted, registry, bundle):
        registry.away = True
        with pytest.raises(RegistryError):
            restarted().exact("1", bundle.digest)
        with pytest.raises(RegistryError):
            restarted().champion()


class TestStartWithoutRegistry:
    def test_the_champion_that_served_last_goes_on_and_it_is_said(self, serving, restarted, registry, bundle, warnings):
        serving.champion()
        registry.now = 2
        serving.champion()
        registry.now, registry.away = 1, True
        models = restarted()
        assert [models.champion().version for _ in range(3)] == ["2"] * 3
        assert warnings == ["still serving version 2: MLflow does not answer"]
        registry.away = False
        assert models.champion().version == "1"

    def test_an_unfit_champion_is_no_reason_to_stop_either(self, serving, restarted, registry, bundle):
        serving.champion()
        registry.bundles[3], registry.now = dataclasses.replace(bundle, contract_digest="0" * 64), 3
        assert restarted().champion().version == "1"

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1"}', '{"version": "1", "digest": "e"}'])
    def test_a_note_that_says_nothing_leaves_the_cause(self, serving, restarted, registry, tmp_path, text):
        serving.champion()
        (tmp_path / "bundles" / "champion.json").write_text(text)
        registry.away = True
        with pytest.raises(RegistryError, match="does not answer"):
            restarted().champion()


class TestPreparation:
    def test_a_champion_is_prepared_once_before_it_is_given(self, restarted, registry):
        prepared = []
        models = restarted(prepare=lambda served: prepared.append(served.version))
        for now in (1, 1, 2, 2, 1):
            registry.now = now
            models.champion()
        assert prepared == ["1", "2"]

    def test_one_that_cannot_be_made_ready_does_not_serve(self, restarted, registry, warnings):
        def prepare(served):
            if served.version == "2":
                raise BundleError("no probabilities")

        models = restarted(prepare=prepare)
        models.champion()
        registry.now = 2
        assert [models.champion().version for _ in range(5)] == ["1"] * 5
        assert warnings == ["still serving version 1: no probabilities"]
        assert registry.fetched == ["1", "2"]  # not at every look

    def test_an_unfit_one_is_tried_again_in_time(self, restarted, registry, bundle, other_bundle):
        models = restarted()
        models.champion()
        registry.said, registry.now = {2: other_bundle.digest}, 2
        registry.bundles[2] = bundle  # not what its version names
        assert models.champion().version == "1"
        registry.bundles[2] = other_bundle
        assert "2" in [models.champion().version for _ in range(40)]


class TestChallenger:
    def test_without_the_setting_none_is_looked_for(self, serving, registry):
        registry.beside = 2
        serving.champion()
        assert serving.challenger() is None

    def test_it_is_verified_and_prepared(self, restarted, registry, other_bundle):
        prepared = []
        models = restarted(prepare=lambda served: prepared.append(served.version), shadow=True)
        models.champion()
        assert models.challenger() is None
        registry.beside = 2
        assert [models.challenger().bundle.digest for _ in range(2)] == [other_bundle.digest] * 2
        assert prepared == ["1", "2"]

    def test_the_champion_is_not_its_own_challenger(self, restarted, registry, bundle):
        models = restarted(shadow=True)
        registry.bundles[7], registry.beside = bundle, 7
        models.champion()
        assert models.challenger() is None

    def test_an_unfit_one_is_left_out_and_it_is_said_once(self, restarted, registry, bundle, warnings):
        models = restarted(shadow=True)
        models.champion()
        registry.bundles[3], registry.beside = dataclasses.replace(bundle, catalogue=None), 3
        assert [models.challenger() for _ in range(3)] == [None] * 3
        assert len(warnings) == 1
        assert warnings[0].startswith("the challenger is not scored: ")
        assert models.champion().version == "1"

    def test_while_the_registry_is_away_it_goes_on(self, restarted, registry, warnings):
        models = restarted(shadow=True)
        registry.beside = 2
        models.champion()
        models.challenger()
        registry.away = True
        assert (models.champion().version, models.challenger().version) == ("1", "2")
        assert warnings == ["still serving version 1: MLflow does not answer"]
