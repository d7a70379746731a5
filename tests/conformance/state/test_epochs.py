"""States of several layouts side by side."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from paywarden.adapters.state.lmdb_epochs import LmdbEpochs
from paywarden.adapters.state.redis_epochs import RedisEpochs
from paywarden.errors import StateStoreError
from paywarden.features.state import BatchTag

A, B = "a" * 64, "b" * 64
WORDS = 3
_numbers = iter(range(1, 1000))


@pytest.fixture(params=["lmdb", "redis", "redis_cluster"])
def epochs(request, tmp_path):
    if request.param == "lmdb":
        return LmdbEpochs(tmp_path / "states", 4)
    return RedisEpochs(request.getfixturevalue(f"{request.param}_url"), f"epochs{next(_numbers)}", 4)


def write(epochs, layout, value):
    """A state with one card, and its lease given back."""
    store = epochs.recipe(layout)()
    lease = store.acquire("stream", layout)
    store.begin_batch(lease, BatchTag(1, 1))
    for shard in range(store.shards):
        store.write_many(lease, "card", shard, [b"key"], np.full((1, WORDS), value), BatchTag(1, 1))
    store.release(lease)
    store.close()


def read(epochs, layout):
    store = epochs.find(layout)()
    values = {int(store.read_many("card", shard, [b"key"], WORDS)[0, 0]) for shard in range(store.shards)}
    store.close()
    return values


def test_looking_makes_nothing(epochs):
    assert epochs.layouts() == []
    assert epochs.find(A) is None
    assert epochs.noted(A) is None
    assert epochs.layouts() == []


def test_each_layout_has_a_state_of_its_own(epochs):
    write(epochs, A, 1)
    write(epochs, B, 2)
    assert epochs.layouts() == [A, B]
    assert (read(epochs, A), read(epochs, B)) == ({1}, {2})
    store = epochs.recipe(A)()
    assert store.layout_digest() == A
    store.close()


def test_a_found_state_is_for_reading(epochs):
    write(epochs, A, 1)
    store = epochs.find(A)()
    with pytest.raises(StateStoreError, match="read-only"):
        store.acquire("stream", A)
    store.close()


def test_recipes_of_one_layout_are_equal_and_travel(epochs):
    assert epochs.recipe(A) == pickle.loads(pickle.dumps(epochs.recipe(A)))  # noqa: S301 (our own)
    assert hash(epochs.recipe(A)) == hash(epochs.recipe(A))
    assert epochs.recipe(A) != epochs.recipe(B)


def test_definitions_are_kept_by_layout(epochs):
    write(epochs, A, 1)
    epochs.note(A, '{"é": 1}')
    epochs.note(A, '{"é": 2}')
    assert epochs.noted(A) == '{"é": 2}'
    assert epochs.noted(B) is None
    assert epochs.layouts() == [A]


def test_a_removed_state_is_gone_and_the_others_stay(epochs):
    for layout, value in ((A, 1), (B, 2)):
        write(epochs, layout, value)
        epochs.note(layout, "{}")
    epochs.remove(A)
    assert epochs.layouts() == [B]
    assert (epochs.find(A), epochs.noted(A)) == (None, None)
    assert (read(epochs, B), epochs.noted(B)) == ({2}, "{}")
    write(epochs, A, 3)  # made anew, it knows nothing of before
    assert read(epochs, A) == {3}


def test_another_deployment_sees_and_removes_nothing_of_it(epochs, tmp_path):
    write(epochs, A, 1)
    other = (
        dataclasses.replace(epochs, root=tmp_path / "others")
        if isinstance(epochs, LmdbEpochs)
        else dataclasses.replace(epochs, name=f"{epochs.name}x")
    )
    assert other.layouts() == []
    assert other.find(A) is None
    write(other, A, 5)
    other.remove(A)
    assert read(epochs, A) == {1}


def test_files_of_others_are_no_states(tmp_path):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / A).mkdir()
    (tmp_path / "note.txt").write_text("")
    assert LmdbEpochs(tmp_path, 4).layouts() == []


@pytest.mark.parametrize("layout", ["", "..", "a/b", "../a", "A B"])
def test_only_a_digest_names_a_state_on_disk(tmp_path, layout):
    epochs = LmdbEpochs(tmp_path, 4)
    for ask in (epochs.recipe, epochs.find, epochs.remove):
        with pytest.raises(StateStoreError, match="state show"):
            ask(layout)
