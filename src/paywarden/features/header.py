"""A record's header in compiled code: what it tells of an entity's past, and noting an event in it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.aggregations.aggregation import Source
from paywarden.features.aggregations.fraud_age import RUN_GAP_MS
from paywarden.features.cells import Wide
from paywarden.features.compiled import inlined
from paywarden.features.places import kilometres_between
from paywarden.features.results import FIRST_KNOWN, Result

FRAUD_LABELS, AUTHORISATIONS = int(Source.FRAUD_LABELS), int(Source.AUTHORISATIONS)
_LAST, _RUN_BEGAN, _LOCATED_AT, _PLACE = range(4)
_SINCE_LAST, _SINCE_FRAUD, _FRAUD_RUN, _SPEED = (int(result) - FIRST_KNOWN for result in list(Result)[FIRST_KNOWN:])
_SHORTEST_TRIP_MS = 60_000
_HOUR_MS = 3_600_000.0


@inlined
def is_idle(record: Wide, as_of: int, ttl_ms: int) -> bool:
    """Whether the record is older than its time to live, so that it reads as empty."""
    return as_of - max(record[0], record[1]) > ttl_ms


@inlined
def read_header(record: Wide, as_of: int, place: int, header: NDArray[np.int64], known: NDArray[np.float64]) -> None:
    """What the header tells as of a time, at a place (0 where the event has none); NaN where it tells nothing."""
    known[:] = math.nan
    last = record[header[_LAST]] if header[_LAST] >= 0 else 0
    if last > 0:
        known[_SINCE_LAST] = max(as_of - last, 0) / 1000.0
    if record[1] > 0:
        known[_SINCE_FRAUD] = max(as_of - record[1], 0) / 1000.0
        if header[_RUN_BEGAN] >= 0 and as_of - record[1] <= RUN_GAP_MS:
            known[_FRAUD_RUN] = max(as_of - record[header[_RUN_BEGAN]], 0) / 1000.0
    if place != 0 and header[_LOCATED_AT] >= 0 and record[header[_LOCATED_AT]] > 0:
        passed = max(abs(as_of - record[header[_LOCATED_AT]]), _SHORTEST_TRIP_MS)
        known[_SPEED] = kilometres_between(record[header[_PLACE]], place) * _HOUR_MS / passed


@inlined
def write_header(
    record: Wide, source: int, as_of: int, place: int, last_report: int, header: NDArray[np.int64]
) -> None:
    """Note an event in the header; ``last_report`` is the latest fraud label before it."""
    if source == FRAUD_LABELS:
        if header[_RUN_BEGAN] >= 0 and (last_report == 0 or as_of - last_report > RUN_GAP_MS):
            record[header[_RUN_BEGAN]] = as_of
    elif source == AUTHORISATIONS:
        if header[_LAST] >= 0:
            record[header[_LAST]] = max(record[header[_LAST]], as_of)
        if place != 0 and header[_LOCATED_AT] >= 0 and as_of >= record[header[_LOCATED_AT]]:
            record[header[_LOCATED_AT]] = as_of
            record[header[_PLACE]] = place
