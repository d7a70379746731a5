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

    def champion(self):
        if self.away:
            raise RegistryError("MLflow does not answer")
        return self.now, self.said.get(self.now, self.bundles[self.now].digest)

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


def test_an_altered_file_beside_the_checkpoint_is_refused(serving, registry, tmp_path, bundle, warnings):
    serving.champion()
    booster = next((tmp_path / "bundles" / bundle.digest).glob("booster*"))
    booster.write_bytes(booster.read_bytes() + b" ")
    with pytest.raises(BundleError):
        ServingModels(registry, EventSchema(), tmp_path / "bundles", warnings.append).exact("1", bundle.digest)
