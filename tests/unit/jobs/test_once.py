"""Started again under one key: what a killed try left is finished, not made again."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from paywarden.errors import ConfigurationError
from paywarden.jobs.once import once_tags, version_of


class Registry:
    """One version under the key "night", if any; keeps what was asked of it, in order."""

    def __init__(self, version=None, finished=False, champion=None):
        self.version, self.finished, self.champion, self.done = version, finished, champion, []

    def first_tagged(self, name, value):
        found = self.version is not None and (name, value) == ("paywarden.once", "night")
        return SimpleNamespace(version=self.version) if found else None

    def find_champion(self):
        return SimpleNamespace(version=self.champion) if self.champion else None

    def is_finished(self, version):
        return self.finished

    @contextmanager
    def finishing(self, version):
        self.done.append("goes on")
        yield
        self.done.append("finished")

    def set_alias(self, alias, version):
        self.done.append((alias, version))


def never(version):
    raise AssertionError(f"version {version} was finished before")


def test_nothing_was_made_under_the_key():
    assert version_of("night", Registry(), never) is None
    assert version_of("other", Registry(3), never) is None


def test_a_finished_version_is_given_back_untouched():
    registry = Registry(3, finished=True)
    assert version_of("night", registry, never) == 3
    assert registry.done == []


def test_what_a_killed_try_left_is_finished():
    registry = Registry(3)
    assert version_of("night", registry, lambda version: registry.done.append(("judged", version))) == 3
    assert registry.done == ["goes on", ("challenger", 3), ("judged", 3), "finished"]


def test_a_champion_does_not_become_challenger_again():
    registry = Registry(3, champion=3)
    version_of("night", registry, lambda _version: None)
    assert registry.done == ["goes on", "finished"]


def test_a_key_is_a_name():
    assert once_tags(None) == {}
    key = "scheduled__2026-11-24T03:00:00+00:00"
    assert once_tags(key) == {"paywarden.once": key}
    for wrong in ("", "it's", "a b", "x" * 251):
        with pytest.raises(ConfigurationError, match="no name"):
            once_tags(wrong)
