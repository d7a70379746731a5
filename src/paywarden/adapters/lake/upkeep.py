"""Compaction and vacuum of the lake's tables.

Guarantee: rows, their order in reads and the archiver's offsets stay as they are. Compaction rewrites files in one
commit, which an append of the archiver does not conflict with. A reader goes on with the files it began with, because
files out of use are removed only after the retention. A run that was killed leaves both generations; the next goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.errors import LakeError

_HOURS_A_DAY: Final = 24
_ONE_AT_A_TIME: Final = 1
"""Files rewritten at once: each takes memory of the size of its rows."""


@dataclass(frozen=True)
class TendedTable:
    """One table: its data files before and after compaction, and how many files out of use were removed."""

    topic: str
    version: int
    files_before: int
    files_after: int
    removed: int

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def tend(
    lake: DeltaLake, topic: str, keep_days: float, keep_versions: Iterable[int] = (), *, dry_run: bool = False
) -> TendedTable:
    """Compact a table, then remove files that have been out of use for longer than ``keep_days``.

    ``keep_versions`` stay readable however old they are, as far as the table's log reaches back. ``dry_run`` changes
    nothing, counts what would be removed, and cannot tell how many files compaction would leave. Where another process
    changed the table in the same moment, compaction is left to the next run. Raises LakeError.
    """
    table = lake.open_existing(topic)
    before = _files(table)
    try:
        if not dry_run and before > 1:
            _compact(table)
        removed = table.vacuum(
            int(keep_days * _HOURS_A_DAY),
            dry_run=dry_run,
            enforce_retention_duration=False,  # ours is a setting, and never below a day
            full=True,  # what killed writers left, too
            keep_versions=_readable(lake, topic, keep_versions) or None,
        )
        if not dry_run:
            table.create_checkpoint()  # the log then opens at once, with the archiver's offsets in it
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot tend the table {topic} of {lake.root}: {error}") from error
    return TendedTable(topic, table.version(), before, _files(table), len(removed))


def _compact(table: DeltaTable) -> None:
    try:
        table.optimize.compact(max_concurrent_tasks=_ONE_AT_A_TIME)
    except CommitFailedError:
        table.update_incremental()


def _files(table: DeltaTable) -> int:
    return len(table.file_uris())


def _readable(lake: DeltaLake, topic: str, versions: Iterable[int]) -> list[int]:
    """Those of the versions that the log still holds: vacuum refuses others."""
    table, found = lake.open_existing(topic), []
    for version in sorted(set(versions)):
        try:
            table.load_as_version(version)
        except (DeltaError, OSError):
            continue
        found.append(version)
    return found
