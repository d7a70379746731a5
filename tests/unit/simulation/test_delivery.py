from __future__ import annotations

import numpy as np

from paywarden.simulation.delivery import LONGEST_MS, delivery_delays_ms
from paywarden.simulation.draft import HOUR_MS, MINUTE_MS


def test_most_arrive_within_a_second_a_few_late_and_fewer_very_late():
    delays = delivery_delays_ms(np.random.default_rng(1), 400_000)
    assert delays.min() >= 20
    assert delays.max() < LONGEST_MS
    assert 100 < np.median(delays) < 300
    assert 0.9 < (delays < 1000).mean() < 0.99
    assert 0.003 < ((delays >= MINUTE_MS) & (delays < 15 * MINUTE_MS)).mean() < 0.008
    assert 0.0001 < (delays >= HOUR_MS / 2).mean() < 0.0006
    assert not ((delays > 15 * MINUTE_MS) & (delays < 30 * MINUTE_MS)).any()
