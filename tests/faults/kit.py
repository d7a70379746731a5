"""A stream that faults are done to: the real command in a process of its own, of which single parts can be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integration.stream.harness import StreamHarness

from paywarden.adapters.local.process import ChildProcess

_STOPPED = Path(__file__).with_name("killed_at.py")


class FaultyStream(StreamHarness):
    """The harness of the stream's tests, and what can be done to a running stream.

    `process.kill()` ends all of it at once, as a lost machine would; the methods here end less.
    """

    def start_killed_at(self, point: str, batch: int = 0) -> None:
        """Start it; its driver kills itself (SIGKILL) at a point of a batch. See `killed_at.py` for the points."""
        self.start_with([str(_STOPPED), point, str(batch), "stream", "run"])

    def start_with(self, arguments: list[str]) -> None:
        """Start Python with these arguments in place of the command, without waiting for it to be ready."""
        self.process = ChildProcess(
            "The stream", [sys.executable, *arguments], self.log, {**os.environ, **self._environment()}
        )
        self.process.start()

    def start_again(self) -> None:
        """Start it as an operator does, whatever was started before."""
        self.process = self.new_process()
        self.start()

    def reached(self, inputs: int) -> bool:
        """Whether its newest finished batch ends where so many inputs do, also where its notes of others are lost."""
        done = {batch["batch"] for batch in self.finished()}
        if not done:
            return False
        last = next(m for m in self.batches() if m.batch == max(done))
        return sum(span.end for span in last.ranges) >= inputs

    def ended(self, seconds: float = 600.0) -> str:
        """The log of a stream that must end by itself."""
        deadline = time.monotonic() + seconds
        while self.process.running:
            assert time.monotonic() < deadline, f"the stream has not ended:\n{self.process.log_tail(60)}"
            time.sleep(0.05)
        return self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """What a stream that must end by itself says last, on one line.

        What Spark logs of a failed task, a Python worker's traceback included, comes before it.
        """
        return " ".join(self.ended().rpartition("error: ")[2].split())

    def refused(self) -> str:
        """The log of a stream that is started and must end before it runs."""
        self.process.start()
        return self.ended()

    def driver(self) -> int:
        """The process id of the Python driver."""
        return next(pid for pid, command in self._processes() if command[1:3] == ["-m", "paywarden.cli.app"])

    def python_workers(self) -> list[int]:
        """The process ids of Spark's Python workers, without the daemon that forks them."""
        daemons = {pid for pid, command in self._processes() if "pyspark.daemon" in command}
        return sorted(pid for pid in daemons if _parent(pid) in daemons)

    def executors(self) -> list[int]:
        """The process ids of executors that are JVMs of their own."""
        wanted = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
        return [pid for pid, command in self._processes() if wanted in command]

    def kill_driver(self) -> None:
        """SIGKILL for the Python driver alone; its JVM and workers find out by themselves."""
        os.kill(self.driver(), signal.SIGKILL)
        self.ended()

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Processes that belong to this stream, known by its own settings in their environment."""
        mark = f"PAYWARDEN_STREAM__DIRECTORY={self.settings.stream.directory}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    yield int(path.name), (path / "cmdline").read_text().split("\0")
            except OSError:  # it has ended meanwhile
                continue


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
