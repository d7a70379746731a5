"""The control that every shard keeps: what it admits, refuses and learns."""

from __future__ import annotations

import pytest

from paywarden.adapters.state.control import Control
from paywarden.errors import Fenced, StaleWriter, StateStoreError
from paywarden.features.state import BatchTag, Lease

HELD = Control(3, held=True, begun=BatchTag(2, 5))
LEASE = Lease("stream", 3)


@pytest.mark.parametrize("known", [Control(), HELD, Control(2**62, held=False, begun=BatchTag(2**62, 0))])
def test_a_control_is_packed_in_32_bytes(known):
    assert len(known.pack()) == 32
    assert Control.unpack(known.pack()) == known


def test_an_absent_control_is_a_new_one():
    assert Control.unpack(None) == Control(0, held=False, begun=None)


@pytest.mark.parametrize("fence", [0, 2, 4])
def test_only_the_newest_fence_is_admitted(fence):
    HELD.check_write(LEASE, BatchTag(2, 5), "here")
    with pytest.raises(Fenced, match="here"):
        HELD.check_write(Lease("stream", fence), BatchTag(2, 5), "here")


def test_a_released_lease_is_refused():
    with pytest.raises(Fenced):
        HELD.learn(3, held=False).check_lease(LEASE, "here")


@pytest.mark.parametrize(
    ("tag", "error"),
    [(BatchTag(2, 4), StaleWriter), (BatchTag(1, 9), StaleWriter), (BatchTag(2, 6), StateStoreError)],
)
def test_only_the_batch_begun_last_is_written(tag, error):
    with pytest.raises(error) as caught:
        HELD.check_write(LEASE, tag, "here")
    assert type(caught.value) is error


def test_begin_moves_forward_only():
    assert HELD.begin(LEASE, BatchTag(2, 5), "here") == HELD
    assert HELD.begin(LEASE, BatchTag(3, 0), "here").begun == BatchTag(3, 0)
    with pytest.raises(StaleWriter):
        HELD.begin(LEASE, BatchTag(2, 4), "here")


def test_news_of_an_older_acquisition_changes_nothing():
    assert HELD.learn(2, held=True) == HELD
    assert HELD.learn(2, held=False) == HELD
    assert HELD.learn(4, held=True) == Control(4, held=True, begun=HELD.begun)
