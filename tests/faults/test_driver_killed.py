"""Fault 1: the driver, a worker or an executor is killed, at every place that matters."""

from __future__ import annotations

import pytest
from tests.faults.invariants import assert_kept

MALFORMED = [b"{", b'{"transaction_id": 7}', b"\xff"]


@pytest.mark.parametrize("point", ["planned", "described", "delivered", "committed"])
def test_the_driver_dies_and_the_next_start_goes_on(point, stream, models, measured, tmp_path):
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 8, MALFORMED)
    stream.start_killed_at(point, batch=1)
    stream.ended()
    assert stream.batches()[-1].batch == (1 if point == "planned" else 2)
    inputs += stream.produce_days(8, 9)
    newer = stream.register_champion(models[1])  # what was described before is decided by its own model
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    account = assert_kept(stream, inputs, tmp_path / "undisturbed", dead_letters=len(MALFORMED))
    assert (account.redelivered > 0) == (point == "delivered")
    again = 2 if point == "planned" else 3
    assert [m.bundle_version == str(newer) for m in stream.batches()] == [m.batch >= again for m in stream.batches()]
    measured("records delivered again", account.redelivered)
