"""Replay: rows a second with the core and the full catalogue, on one core."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.histories import Source, handbook_or_simulated, simulated
from benchmarks.rounds import in_turn, rates, seconds
from paywarden.features.catalogue import Catalogue
from paywarden.features.replay import replay
from paywarden.features.templates import core_catalogue, full_catalogue

TARGET_ROWS_PER_SECOND = 400_000


def measure() -> dict[str, object]:
    """Rates by data set and catalogue; a transaction is a row, its label comes with it."""
    pa.set_cpu_count(1)
    report: dict[str, object] = {"target_rows_per_second": TARGET_ROWS_PER_SECOND}
    sources = {source.name: source for source in (handbook_or_simulated(), simulated())}
    for source in sources.values():
        catalogues = {"core": core_catalogue(source.schema.entities), "full": full_catalogue(source.schema)}
        print(f"  {source.name}: {source.rows:,} rows")
        report[source.name] = _rates(source, catalogues)
    return report


def _rates(source: Source, catalogues: dict[str, Catalogue]) -> dict[str, object]:
    timings = in_turn(
        {
            name: lambda catalogue=catalogue: replay(source.transactions, source.labels, catalogue)
            for name, catalogue in catalogues.items()
        }
    )
    return {
        "rows": source.rows,
        **{
            name: {
                "features": len(catalogue.names),
                "rows_per_second": rates(source.rows, timings[name]),
                **seconds(timings[name]),
            }
            for name, catalogue in catalogues.items()
        },
    }
