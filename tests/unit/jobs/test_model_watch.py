import threading

import pytest

from paywarden.errors import BundleError, RegistryError
from paywarden.jobs.model_watch import ModelWatch


class Models:
    """Names for models; each look is counted, and may wait or fail."""

    def __init__(self):
        self.now, self.beside = "1", None
        self.error = None
        self.looks = 0
        self.looked = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()

    def champion(self):
        assert self.gate.wait(60)
        with self.looked:
            self.looks += 1
            self.looked.notify_all()
        if self.error:
            raise self.error
        return self.now

    def challenger(self):
        return self.beside

    def exact(self, version, digest):
        return version, digest

    def await_looks(self, more):
        with self.looked:
            wanted = self.looks + more
            assert self.looked.wait_for(lambda: self.looks >= wanted, 60)


@pytest.fixture
def models():
    return Models()


def test_the_first_question_waits_for_a_look_and_later_ones_for_none(models):
    watch = ModelWatch(models, 3600)
    assert [watch.champion() for _ in range(3)] == ["1"] * 3
    assert watch.challenger() is None
    assert models.looks == 1


def test_what_a_look_finds_is_given_from_then_on(models):
    watch = ModelWatch(models, 3600)
    watch.champion()
    models.now, models.beside = "2", "3"
    assert (watch.champion(), watch.challenger()) == ("1", None)
    watch.look()
    assert (watch.champion(), watch.challenger()) == ("2", "3")


def test_it_looks_by_itself_while_it_watches(models):
    with ModelWatch(models, 0.001) as watch:
        models.await_looks(2)
        models.now = "2"
        models.await_looks(2)
        assert watch.champion() == "2"
    looks = models.looks
    watch.end()
    assert models.looks == looks


def test_no_question_waits_for_a_registry_that_hangs(models):
    with ModelWatch(models, 0.001) as watch:
        assert watch.champion() == "1"
        models.gate.clear()
        assert watch.champion() == "1"
        models.gate.set()


def test_what_a_look_raises_is_raised_until_a_look_succeeds(models):
    models.error = RegistryError("away")
    watch = ModelWatch(models, 3600)
    for ask in (watch.champion, watch.challenger):
        with pytest.raises(RegistryError, match="away"):
            ask()
    models.error = None
    watch.look()
    assert watch.champion() == "1"


def test_what_nobody_expected_is_an_error_of_ours(models):
    models.error = ValueError("odd bytes")
    with pytest.raises(BundleError, match="odd bytes"):
        ModelWatch(models, 3600).champion()


def test_the_model_of_a_manifest_is_exact(models):
    assert ModelWatch(models, 3600).exact("4", "digest") == ("4", "digest")
