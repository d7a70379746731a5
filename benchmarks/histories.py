"""The transactions that are measured on: the Fraud Detection Handbook's where there are, else a simulated month."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from benchmarks.rounds import Skipped
from paywarden.events.mapped_data import read_events
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.simulation.world import World

WORLD = World(3, cards=5_000, merchants=1_000)


@dataclass(frozen=True)
class Source:
    """Canonical transactions and labels, what fields they have, and where they come from."""

    name: str
    schema: EventSchema
    transactions: pa.Table
    labels: pa.Table

    @property
    def rows(self) -> int:
        """How many transactions."""
        return self.transactions.num_rows


def handbook_file(name: str) -> Path:
    """A file of the handbook's under PAYWARDEN_DATA. Raises Skipped where it is absent."""
    file = Path(os.environ.get("PAYWARDEN_DATA", "none")) / "handbook" / name
    if not file.exists():
        raise Skipped(f"there is no handbook/{name} under PAYWARDEN_DATA; set it to a directory that has it")
    return file


@cache
def handbook() -> Source:
    """The handbook's 1.75 million transactions of 183 days. Raises Skipped where they are absent."""
    mapping = Mapping.load("handbook")
    data = read_events(handbook_file("handbook_raw.parquet"), mapping)
    return Source("handbook", mapping.schema, data.transactions, data.labels)


@cache
def simulated() -> Source:
    """A month of 5,000 simulated cards, which have every field there is."""
    days = list(WORLD.days(0, 30))
    tables = [pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")]
    return Source("simulated world, 30 days of 5,000 cards", EventSchema(), *tables)


def handbook_or_simulated() -> Source:
    """The first of the two that there is."""
    try:
        return handbook()
    except Skipped:
        return simulated()
