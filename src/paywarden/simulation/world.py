"""World: a seed, its sizes and its days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from paywarden.errors import ConfigurationError
from paywarden.events.schema import EventSchema
from paywarden.simulation.delivery import delivery_delays_ms
from paywarden.simulation.devices import with_devices
from paywarden.simulation.draft import DAY_MS, PATTERNS, concat
from paywarden.simulation.fraud.campaigns import Campaigns
from paywarden.simulation.genuine import genuine_day
from paywarden.simulation.population.population import Population, draw_population
from paywarden.simulation.randomness import Stream, generator
from paywarden.simulation.stage import Stage
from paywarden.simulation.tables import ENTITIES, Names, names_of, transaction_table, truth_table
from paywarden.simulation.tokens import MOST_CARDS, MOST_DAYS, MOST_MERCHANTS, transaction_ids
from paywarden.simulation.verdicts import Reporting, label_table

_FIRST_OF_JANUARY_2026_MS = 1_767_225_600_000
_FEWEST_CARDS, _FEWEST_MERCHANTS = 20, 60  # fewer merchants would leave a trade, and with it a pool, empty
_HIGHEST_FRAUD_RATE = 0.2  # beyond it the campaigns would outnumber the cards' honest habits that they hide in


@dataclass(frozen=True)
class WorldDay:
    """The payments that occur on one day of a world, with everything that will ever be said of them.

    `begins_at_ms` is its midnight (epoch ms, UTC). `transactions`: canonical columns, in order of received_at; `labels`
    likewise, arriving hours to weeks later. `truth`: transaction_id, is_fraud and pattern (null where genuine), row by
    row as `transactions`; for scorecards, never sent.
    """

    day: int
    begins_at_ms: int
    transactions: pa.Table
    labels: pa.Table
    truth: pa.Table


@dataclass(frozen=True)
class World:
    """A simulated world of customers, merchants and fraudsters. Equal arguments give equal worlds, in any process.

    A day depends on the arguments and its number alone, so days can be asked for in any order and in any portions.

    `seed` is 0 to 2**64 - 1. Each of the `cards` makes about 1.5 payments a day at some of the 60 or more `merchants`;
    four customers hold five cards.
    `start_at_ms` is the midnight (epoch ms, UTC) at which day 0 begins. `fraud_rate` is the share of frauds among all
    transactions, 0 to 0.2: with 5,000 cards or more a month's is within a few percent of it, single days differ.
    `pattern_shares` splits the frauds over PATTERNS, in that order, and sums to 1. `reporting` says which truths
    become labels. `entities` are those that its events name, the first one routes: "card", "merchant", "customer", and
    "device", which only online payments have; all else is the same whatever they are. An argument out of its range
    raises :class:`~paywarden.errors.ConfigurationError`.
    """

    seed: int
    cards: int = 5_000
    merchants: int = 1_000
    start_at_ms: int = _FIRST_OF_JANUARY_2026_MS
    fraud_rate: float = 0.015
    pattern_shares: tuple[float, ...] = (0.3, 0.3, 0.2, 0.2)
    reporting: Reporting = field(default_factory=Reporting)
    entities: tuple[str, ...] = ("card", "merchant")

    def __post_init__(self) -> None:
        _check("seed", 0 <= self.seed < 2**64, "0 to 2**64 - 1")
        _check("cards", _FEWEST_CARDS <= self.cards <= MOST_CARDS, f"{_FEWEST_CARDS} to {MOST_CARDS}")
        _check("merchants", _FEWEST_MERCHANTS <= self.merchants <= MOST_MERCHANTS, f"60 to {MOST_MERCHANTS}")
        _check("start_at_ms", self.start_at_ms % DAY_MS == 0, "a midnight UTC, a multiple of 86,400,000")
        _check("fraud_rate", 0 <= self.fraud_rate <= _HIGHEST_FRAUD_RATE, f"0 to {_HIGHEST_FRAUD_RATE}")
        shares = self.pattern_shares
        fair = len(shares) == len(PATTERNS) and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-9
        _check("pattern_shares", fair, f"{len(PATTERNS)} shares that sum to 1")
        known = bool(self.entities) and set(self.entities) <= set(ENTITIES) and self.entities[0] != "device"
        _check("entities", known, f"some of {', '.join(ENTITIES)}, the device not first, for most payments lack it")

    @cached_property
    def schema(self) -> EventSchema:
        """What its events are made of."""
        return EventSchema(entities=self.entities)

    @cached_property
    def stage(self) -> Stage:
        """The population and what else every day is drawn from."""
        return Stage(self.seed, self.start_at_ms, draw_population(self.seed, self.cards, self.merchants))

    def days(self, first: int, last: int) -> Iterator[WorldDay]:
        """Days `first` to `last` - 1 in order, one in memory at a time.

        A negative `first`, or a `last` before it, raises :class:`~paywarden.errors.ConfigurationError`.
        """
        _check("days", 0 <= first <= last <= MOST_DAYS, f"from 0, up to {MOST_DAYS}, the first before the last")
        campaigns = Campaigns(self.stage, self.fraud_rate, self.pattern_shares)
        return (self._day(day, campaigns) for day in range(first, last))

    @property
    def _people(self) -> Population:
        return self.stage.people

    @cached_property
    def _names(self) -> Names:
        return names_of(self._people)

    def _day(self, day: int, campaigns: Campaigns) -> WorldDay:
        rows = concat([genuine_day(self.stage, day), campaigns.on(day)])
        delays = delivery_delays_ms(generator(self.seed, Stream.DELIVERY, day), len(rows))
        order = np.argsort(rows.occurred_ms + delays, kind="stable")
        rows, delays = rows.take(order), delays[order]
        if "device" in self.entities:
            rows = with_devices(generator(self.seed, Stream.DEVICES, day), self.seed, self._people, rows, day)
        ids = transaction_ids(day, len(rows))
        occurred_at = self.start_at_ms + rows.occurred_ms
        transactions = transaction_table(
            self.schema, self._names, self._people, rows, ids, occurred_at, occurred_at + delays
        )
        verdicts = generator(self.seed, Stream.VERDICTS, day)
        labels = label_table(verdicts, self.schema, self.reporting, transactions, rows.pattern, rows.declined)
        return WorldDay(day, self.start_at_ms + day * DAY_MS, transactions, labels, truth_table(rows, ids))


def _check(name: str, fits: bool, range_: str) -> None:
    if not fits:
        raise ConfigurationError(f"{name} of the simulated world is out of range; give {range_}")
