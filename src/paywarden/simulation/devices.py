"""Devices: from which telephone or computer an online payment is made; a 60-bit number each, 0 where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import GENUINE, ONLINE, Draft
from paywarden.simulation.population.customers import Customers
from paywarden.simulation.population.population import Population

DEVICE_BITS = 60
_SECOND, _THIRD = 0.75, 0.95  # cumulative shares of payments from the first and the second device
_LIFETIME_DAYS = 500  # then it is replaced, and a genuine card shows up with a new device
_STRANGER = 0.04  # of genuine online payments: borrowed, at work, or a browser that forgets
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def strange_devices(rng: np.random.Generator, devices: int) -> NDArray[np.uint64]:
    """Devices never seen before, uint64 ``[devices]``."""
    return rng.integers(1, 1 << DEVICE_BITS, size=devices, dtype=np.uint64)


def with_devices(rng: np.random.Generator, seed: int, people: Population, rows: Draft, day: int) -> Draft:
    """The rows of a day with the device of each: a fraud's as drafted, a genuine one's its customer's."""
    device = np.where(rows.channel == ONLINE, rows.device, np.uint64(0))
    honest = np.flatnonzero((rows.pattern == GENUINE) & (rows.channel == ONLINE))
    own = _own_devices(rng, seed, people.customers, people.cards.customer[rows.card[honest]], day)
    strange = np.flatnonzero(rng.random(len(honest)) < _STRANGER)
    own[strange] = strange_devices(rng, len(strange))
    device[honest] = own
    return replace(rows, device=device)


def _own_devices(
    rng: np.random.Generator, seed: int, customers: Customers, customer: NDArray[np.integer], day: int
) -> NDArray[np.uint64]:
    """A device of each customer's own on a day, the first the most often, uint64 ``[rows]``."""
    choice = rng.random(len(customer))
    slot = (choice > _SECOND).astype(np.uint64) + (choice > _THIRD).astype(np.uint64)
    slot = np.minimum(slot, customers.devices[customer].astype(np.uint64) - np.uint64(1))
    place = customer.astype(np.uint64) * np.uint64(4) + slot
    age = day + (_mixed(place, seed ^ 1) % np.uint64(_LIFETIME_DAYS)).astype(np.int64)
    generation = (age // _LIFETIME_DAYS).astype(np.uint64)
    return np.maximum(_mixed((generation << np.uint64(32)) ^ place, seed) >> np.uint64(64 - DEVICE_BITS), np.uint64(1))


def _mixed(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A 64-bit number for each, scattered. Source: S. Vigna, splitmix64, https://prng.di.unimi.it/splitmix64.c."""
    mixed = (numbers + np.uint64(seed)) * _SPREAD
    for shift, factor in _MIX:
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
