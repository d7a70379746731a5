"""What a worker has loaded is spared by the garbage collector, which Spark calls after every task."""

import gc

import pytest

from paywarden.adapters.spark.fold import settle


@pytest.fixture(autouse=True)
def thawed():
    settle.cache_clear()
    yield
    settle.cache_clear()
    gc.unfreeze()


def test_what_is_loaded_is_set_aside_once():
    settle("a model")
    spared = gc.get_freeze_count()
    assert spared > len(gc.get_objects())
    kept = [[] for _ in range(1_000)]
    settle("a model")
    assert gc.get_freeze_count() <= spared  # what a later task makes is still collected
    settle("the next model")
    assert gc.get_freeze_count() >= spared + len(kept)
