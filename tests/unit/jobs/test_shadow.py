import dataclasses

import pytest

from paywarden.jobs.serving import ServedModel
from paywarden.jobs.shadow import unfit_beside


@pytest.fixture
def acting(bundle, engine):
    return ServedModel("1", bundle, engine)


def test_another_model_of_the_same_catalogue_fits(acting, other_bundle, engine):
    assert unfit_beside(ServedModel("2", other_bundle, engine), acting) is None


def test_one_with_fewer_features_fits(acting, bundle, engine):
    names = bundle.feature_names[:2]
    fewer = dataclasses.replace(bundle, feature_names=names, contract_digest=engine.catalogue.contract(names).digest)
    assert unfit_beside(ServedModel("2", fewer, engine), acting) is None


def test_one_on_another_state_does_not_fit(acting, newer_bundle, newer_engine):
    assert newer_engine.digest[:16] in unfit_beside(ServedModel("3", newer_bundle, newer_engine), acting)


def test_features_that_the_catalogue_lacks_are_named(acting, bundle, engine):
    other = dataclasses.replace(bundle, feature_names=("no_such_feature",))
    assert "lacks no_such_feature" in unfit_beside(ServedModel("3", other, engine), acting)


def test_features_computed_in_another_way_do_not_fit(acting, bundle, engine):
    other = dataclasses.replace(bundle, contract_digest="0" * 64)
    assert "in another way" in unfit_beside(ServedModel("3", other, engine), acting)
