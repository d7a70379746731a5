"""How long each service took from its start until it was healthy, or done, by the engine's own events."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from stack import PROJECT

_ENDS = ("health_status: healthy", "die")


@contextmanager
def watch_starts() -> Iterator[dict[str, float]]:
    """Service → seconds, filled in when the block ends."""
    took: dict[str, float] = {}
    command = ["docker", "events", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format", "{{json .}}"]
    command += [word for event in ("start", "health_status", "die") for word in ("--filter", f"event={event}")]
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen(command, stdout=told) as events:
        try:
            yield took
        finally:
            events.terminate()
            events.wait()
            told.seek(0)
            took |= _seconds(told.read().splitlines())


def _seconds(lines: list[str]) -> dict[str, float]:
    started: dict[str, int] = {}
    took: dict[str, float] = {}
    for event in map(json.loads, lines):
        service = event["Actor"]["Attributes"]["com.docker.compose.service"]
        if event["Action"] == "start":
            started[service] = event["timeNano"]
        elif event["Action"] in _ENDS and service in started and service not in took:
            took[service] = (event["timeNano"] - started[service]) / 1e9
    return took
