"""Files that are on disk once a call returns, and appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def replace_durably(path: Path, text: str, *, private: bool = False) -> None:
    """The file holds this text, on disk; killed before, it holds what it held.

    With ``private`` nobody but its owner may read it, at any moment.
    """
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600 if private else 0o666)
    with synced(draft) as file:
        file.write(text.encode())
    draft.replace(path)
    sync_names(path.parent)


def create_durably(path: Path, text: str) -> bool:
    """Whether the file was made, on disk and whole; nothing changes where there is one already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with synced(draft) as file:
        file.write(text.encode())
    try:
        os.link(draft, path)  # unlike a rename, fails where the name is taken
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_names(path.parent)
    return True


@contextmanager
def synced(path: Path) -> Iterator[IO[bytes]]:
    """The file, open for writing; on disk when the block ends."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_names(directory: Path) -> None:
    """Have the names in a directory on disk."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
