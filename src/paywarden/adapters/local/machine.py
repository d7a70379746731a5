"""What this machine must offer: room on its disks, directories that can be written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from paywarden.errors import EnvironmentNotReady

_GIB = 1 << 30


def check_room(paths: Iterable[Path], gibibytes: float) -> str:
    """The least room under these paths, which is enough. Raises EnvironmentNotReady naming one with less."""
    free = {path: shutil.disk_usage(_existing(path)).free / _GIB for path in paths}
    for path, room in free.items():
        if room < gibibytes:
            raise EnvironmentNotReady(
                f"{path} has {room:.1f} GiB of room; {gibibytes:g} are wanted. Free some, move it, or run `paywarden "
                "maintain lake`."
            )
    return f"{min(free.values()):.0f} GiB at least"


def check_writable(paths: Iterable[Path]) -> str:
    """The directories, all writable (or where they will be made). Raises EnvironmentNotReady naming one that is not."""
    places = {path: _existing(path) for path in paths}
    for path, place in places.items():
        if problem := _problem(place):
            raise EnvironmentNotReady(
                f"{place} cannot be written ({problem}; it belongs to user {place.stat().st_uid}). Give it to the user "
                f"who runs this, for example with chown, or choose another directory for {path}."
            )
    return ", ".join(map(str, places.values()))


def _problem(place: Path) -> str | None:
    """Why no file can be made in a directory; None where one can."""
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".paywarden-check-"):
            return None
    except OSError as error:
        return error.strerror


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return place
