"""Fault 1: the driver, a worker or an executor is killed, at every place that matters; SIGTERM while a batch runs."""

from __future__ import annotations

import os
import signal

from tests.faults.invariants import assert_kept

MALFORMED = [b"{", b'{"transaction_id": 7}', b"\xff"]
POINTS = ("planned", "described", "delivered", "committed")


def test_the_driver_dies_at_every_point_and_the_next_start_goes_on(stream, models, measured, tmp_path):
    old = stream.register_champion(models[0])
    inputs = stream.produce_days(0, 12, MALFORMED)
    for batch, point in enumerate(POINTS):
        stream.start_killed_at(point, batch)
        stream.ended()
        begun = stream.batches()[-1].batch if stream.batches() else 0
        assert begun == (batch if point == "planned" else batch + 1), point
        if point == "described":
            newer = stream.register_champion(models[1])  # that batch is decided by its own model all the same
    inputs += stream.produce_days(12, 13)
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    account = assert_kept(stream, inputs, tmp_path / "undisturbed", dead_letters=len(MALFORMED))
    assert account.redelivered > 0  # the batch that was delivered and not committed
    versions = [int(str(m.bundle_version)) for m in stream.batches()]
    assert versions == [old, old, *[newer] * (len(versions) - 2)]
    measured("records delivered again after four kills", account.redelivered)


def test_python_workers_die_in_a_batch_and_their_tasks_run_again(new_stream, models, measured, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 6)
    stream.start()
    stream.wait_for(lambda: _in_a_batch(stream) and stream.python_workers())
    workers = stream.python_workers()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    inputs += stream.produce_days(6, 7)
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    account = assert_kept(stream, inputs, tmp_path / "undisturbed")
    measured("Python workers killed; records delivered again", [len(workers), account.redelivered])


def _in_a_batch(stream):
    return len(stream.batches()) > len(stream.finished())


def test_an_executor_dies_and_its_tasks_run_again(new_stream, models, measured, tmp_path):
    stream = new_stream(sections={"stream": {"master": "local-cluster[2,1,1024]"}})
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 6)
    stream.start()
    stream.wait_for(lambda: bool(stream.batches()) and len(stream.executors()) == 2)
    first = stream.executors()
    os.kill(first[0], signal.SIGKILL)
    inputs += stream.produce_days(6, 7)
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    account = assert_kept(stream, inputs, tmp_path / "undisturbed")
    measured("records delivered again after an executor's death", account.redelivered)


def test_sigterm_lets_the_batch_under_way_end(new_stream, models, measured, tmp_path):
    stream = new_stream()
    stream.register_champion(models[0])
    inputs = stream.produce_days(0, 6)
    stream.start()
    stream.wait_for(lambda: _in_a_batch(stream))
    stream.process.stop(300.0)  # SIGTERM, in the middle of a batch
    log = stream.log.read_text()
    assert "stopping after the present batch" in log
    assert len(stream.batches()) == len(stream.finished())
    stream.start_again()
    stream.wait_for(lambda: stream.caught_up(inputs))
    stream.process.stop(60.0)
    account = assert_kept(stream, inputs, tmp_path / "undisturbed")
    assert account.redelivered == 0
    measured("records delivered again after SIGTERM", account.redelivered)
