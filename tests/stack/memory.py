"""The most memory that each service has held, looked at every second in the kernel's own accounts."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from stack import PROJECT

_PLACES = (
    ("/sys/fs/cgroup/memory/docker/{id}/memory.stat", "total_rss"),
    ("/sys/fs/cgroup/memory/system.slice/docker-{id}.scope/memory.stat", "total_rss"),
    ("/sys/fs/cgroup/system.slice/docker-{id}.scope/memory.stat", "anon"),
    ("/sys/fs/cgroup/docker/{id}/memory.stat", "anon"),
)
"""Of control groups version 1 and 2, with the figure that leaves the page cache out."""


class MemoryWatch:
    """A thread that looks; ``peaks`` are bytes by service, ``together`` the most that all held at one moment."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self.together = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def lines(self) -> list[str]:
        """A line a service in MiB, the largest first."""
        ordered = sorted(self.peaks.items(), key=lambda item: -item[1])
        shown = [f"{service:<24}{peak / 2**20:>7,.0f} MiB" for service, peak in ordered]
        return [*shown, f"{'all at one moment':<24}{self.together / 2**20:>7,.0f} MiB"]

    def _watch(self) -> None:
        containers: dict[str, str] = {}
        for second in range(10**9):
            if second % 10 == 0:
                containers = _containers()
            held = {service: _held(identifier) for identifier, service in containers.items()}
            for service, bytes_ in held.items():
                self.peaks[service] = max(self.peaks.get(service, 0), bytes_)
            self.together = max(self.together, sum(held.values()))
            if self._end.wait(1):
                return


def _containers() -> dict[str, str]:
    """Container id → service."""
    command = ["docker", "ps", "--no-trunc", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format"]
    command.append('{{.ID}} {{.Label "com.docker.compose.service"}}')
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return dict(line.split(" ", 1) for line in found.splitlines())


def _held(identifier: str) -> int:
    for place, name in _PLACES:
        try:
            lines = Path(place.format(id=identifier)).read_text().splitlines()
        except OSError:
            continue
        return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
    return 0
