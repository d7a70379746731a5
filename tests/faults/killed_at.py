"""Run as a script: the `paywarden` command, whose driver kills itself with SIGKILL at a point of a micro-batch.

    python killed_at.py POINT BATCH stream run

A point is where the driver is when it dies, in Spark's batch BATCH (from 0):

- `planned`: Spark has logged the batch's offsets, and there is no manifest yet;
- `described`: the manifest is durable, and nothing has been folded;
- `delivered`: all records are acknowledged by Kafka, and Spark has not logged its commit;
- `committed`: Spark has logged the commit, and the next batch's offsets are not logged.

Everything else is the product's own code: a real driver dies at a known place.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from paywarden.cli.app import main
from paywarden.jobs.stream import StreamJob
from paywarden.settings import load_settings


def die() -> None:
    """The driver ends here, as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str, batch: int, counts: Callable[[tuple[object, ...]], int]) -> None:
    """Die on entry of a method, for this batch."""
    original = getattr(owner, name)

    def dying(*arguments: object, **named: object) -> object:
        if counts(arguments) == batch:
            die()
        return original(*arguments, **named)

    setattr(owner, name, dying)


def at(point: str, batch: int) -> None:
    """Arrange for the death."""
    if point == "planned":
        before(StreamJob, "__call__", batch, lambda given: int(str(given[1])))
    elif point in {"described", "delivered"}:
        _around_execute(batch, at_entry=point == "described")
    elif point == "committed":
        commit = Path(load_settings().stream.directory) / "checkpoint" / "commits" / str(batch)
        threading.Thread(target=_once_there, args=(commit,), daemon=True).start()
    else:
        raise SystemExit(f"no such point: {point}")


def _around_execute(batch: int, *, at_entry: bool) -> None:
    original = StreamJob.__call__

    def call(self: StreamJob, batch_id: int, ranges: object, execute: Callable[..., object]) -> None:
        def dying(*given: object, **named: object) -> object:
            if at_entry and batch_id == batch:
                die()
            done = execute(*given, **named)
            if batch_id == batch:
                die()
            return done

        original(self, batch_id, ranges, dying)

    StreamJob.__call__ = call


def _once_there(path: Path) -> None:
    while not path.exists():
        time.sleep(0.001)
    die()


if __name__ == "__main__":
    point, batch = sys.argv[1], int(sys.argv[2])
    at(point, batch)
    sys.argv = ["paywarden", *sys.argv[3:]]
    main()
