"""The stream beside what a user would pick instead: `make bench-stream`; its first part is also one of `make bench`."""

from __future__ import annotations


def measure() -> dict[str, object]:
    """The stream beside the passthrough."""
    from benchmarks.stream.passthrough import measure as beside_passthrough  # noqa: PLC0415 -- Spark loads slowly

    return beside_passthrough()
