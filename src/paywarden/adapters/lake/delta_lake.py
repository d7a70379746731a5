"""The lake: one Delta table a topic, on disk or on any S3.

Guarantee: every Kafka offset is in a table exactly once. The next offset of each partition is committed in the same
Delta transaction as the rows (``txn`` actions), so a crash between read and commit loses nothing, and a second
archiver with stale offsets is refused. A retry of an append that had landed raises ``StaleArchiver``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from paywarden.errors import LakeError, StaleArchiver

Offsets = Mapping[int, int]
"""Partition → next offset."""


@dataclass(frozen=True)
class DeltaLake:
    """Tables under ``root`` (a path or ``s3://…``); ``storage_options`` go to the object store as they are."""

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def next_offsets(self, topic: str, partitions: int) -> dict[int, int | None]:
        """The next offset to archive by partition; None where nothing was archived yet."""
        table = self._open(topic)
        return {p: table.transaction_version(f"{topic}/{p}") if table else None for p in range(partitions)}

    def append(self, topic: str, rows: pa.Table, start: Mapping[int, int | None], end: Offsets) -> int:
        """Append rows read from offsets ``start`` (as :meth:`next_offsets` gave them) to ``end``; the new version.

        Raises StaleArchiver where another archiver has moved on since, LakeError where the store refuses.
        """
        table = self._open(topic) or self._create(topic, rows.schema)
        self._require_unmoved(topic, table, start)
        moved = [Transaction(f"{topic}/{partition}", offset) for partition, offset in sorted(end.items())]
        try:
            write_deltalake(
                table,
                rows,
                mode="append",
                schema_mode="merge",
                commit_properties=CommitProperties(app_transactions=moved),
            )
        except CommitFailedError as error:
            raise StaleArchiver(
                f"another archiver committed to {self._uri(topic)} at the same time; stop one of them ({error})"
            ) from error
        except (DeltaError, OSError) as error:
            raise LakeError(f"cannot append to {self._uri(topic)}: {error}") from error
        return self.version(topic)

    def version(self, topic: str) -> int:
        """The latest version of a topic's table. Raises LakeError where there is none."""
        return int(self.open_existing(topic).version())

    def read(self, topic: str, version: int | None = None) -> pa.Table:
        """All rows of a table (latest version by default), ordered by partition and offset.

        Strings come as ``string``, binary values as ``binary``. Raises LakeError where there is no such table.
        """
        return self._rows(topic, 'SELECT * FROM t ORDER BY "partition", "offset"', version)

    def read_since(self, topic: str, column: str, at: int) -> pa.Table:
        """The rows whose ``column`` (a whole number) is ``at`` or more, as :meth:`read` gives them."""
        return self._rows(topic, f'SELECT * FROM t WHERE "{column}" >= {at:d} ORDER BY "partition", "offset"')  # noqa: S608 -- see _rows

    def newest(self, topic: str, column: str) -> int | None:
        """The largest value of a column (a whole number); None where there is none, or no table."""
        if not self.exists(topic):
            return None
        found = self._rows(topic, f'SELECT max("{column}") AS newest FROM t')  # noqa: S608 -- see _rows
        return found["newest"][0].as_py()

    def exists(self, topic: str) -> bool:
        """Whether the topic has a table."""
        return self._open(topic) is not None

    def _rows(self, topic: str, query: str, version: int | None = None) -> pa.Table:
        """What a query answers of the table ``t``. Names and numbers in it are ours, never a user's text."""
        table = self.open_existing(topic)
        try:
            if version is not None:
                table.load_as_version(version)
            return _plain(pa.table(QueryBuilder().register("t", table).execute(query)))
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise LakeError(
                f"cannot read {self._uri(topic)}: {error}. Versions older than maintenance.lake_days are not kept."
            ) from error

    def _create(self, topic: str, schema: pa.Schema) -> DeltaTable:
        """An empty table, ours or that of whoever was faster.

        Rows that came in the commit which makes a table would not be held against another archiver's offsets.
        """
        try:
            DeltaTable.create(self._uri(topic), schema, mode="ignore", storage_options=dict(self.storage_options))
        except (DeltaError, OSError) as error:
            if not self.exists(topic):
                raise LakeError(f"cannot make {self._uri(topic)}: {error}") from error
        return self.open_existing(topic)

    def _require_unmoved(self, topic: str, table: DeltaTable, start: Mapping[int, int | None]) -> None:
        for partition, expected in start.items():
            found = table.transaction_version(f"{topic}/{partition}")
            if found != expected:
                raise StaleArchiver(
                    f"{self._uri(topic)} is at offset {found} of partition {partition}, this archiver read from "
                    f"{expected}: another archiver is at work; stop one of the two"
                )

    def _uri(self, topic: str) -> str:
        return f"{self.root.rstrip('/')}/{topic}" if "://" in self.root else str(Path(self.root, topic).absolute())

    def open_existing(self, topic: str) -> DeltaTable:
        """The table itself at its latest version. Raises LakeError where there is none."""
        table = self._open(topic)
        if table is None:
            raise LakeError(f"the lake has no table {self._uri(topic)}; run `paywarden archive` first")
        return table

    def _open(self, topic: str) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri(topic), storage_options=dict(self.storage_options))
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"cannot open {self._uri(topic)}: {error}") from error


def _plain(table: pa.Table) -> pa.Table:
    """The table without view types, which few Arrow kernels take."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    schema = pa.schema([field.with_type(plain.get(field.type, field.type)) for field in table.schema])
    return table.cast(schema)
