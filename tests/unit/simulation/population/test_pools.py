from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.population.pools import build_pools


def test_members_are_drawn_as_often_as_their_weight_says():
    rng = np.random.default_rng(3)
    pools = build_pools(
        rng, [(np.array([7, 8]), np.array([1.0, 3.0])), (np.array([1, 2, 3]), np.array([2.0, 0.0, 2.0]))]
    )
    first = pools.draw(0, rng.random(40_000))
    assert (first == 8).mean() == pytest.approx(0.75, abs=0.02)
    second = pools.draw(np.ones(40_000, dtype=np.int64), rng.random(40_000))
    assert set(second) == {1, 3}
    assert (second == 1).mean() == pytest.approx(0.5, abs=0.02)


def test_each_row_draws_from_its_own_pool():
    rng = np.random.default_rng(3)
    pools = build_pools(rng, [(np.array([5]), np.ones(1)), (np.array([6]), np.ones(1))])
    which = rng.integers(2, size=100)
    assert np.array_equal(pools.draw(which, rng.random(100)), which + 5)


def test_a_pool_is_bounded():
    pools = build_pools(np.random.default_rng(3), [(np.arange(100_000), np.ones(100_000))])
    assert pools.size[0] == 8192
    assert pools.draw(0, np.array([0.0, np.nextafter(1, 0)])).max() < 100_000
