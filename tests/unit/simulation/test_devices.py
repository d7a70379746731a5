from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from paywarden.simulation import World
from paywarden.simulation.draft import PATTERNS

_ENTITIES = ("card", "merchant", "customer", "device")


@pytest.fixture(scope="module")
def wide():
    return World(seed=7, cards=2_400, merchants=700, entities=_ENTITIES)


@pytest.fixture(scope="module")
def rows(wide):
    days = list(wide.days(0, 24))
    table = pa.concat_tables([day.transactions for day in days])
    truth = pa.concat_tables([day.truth for day in days])
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names} | {
        name: truth[name].to_numpy(zero_copy_only=False) for name in ("is_fraud", "pattern")
    }


def _new(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Whether a row's device is seen for the first time with its card; rows are in order of receipt."""
    seen, new = set(), []
    for card, device in zip(rows["entity_card"], rows["entity_device"], strict=True):
        new.append((card, device) not in seen)
        seen.add((card, device))
    return np.array(new)


def test_only_what_is_bought_online_has_a_device(rows):
    assert ((rows["entity_device"] != None) == (rows["channel"] == "online")).all()  # noqa: E711 -- element by element


def test_everything_else_is_the_same_without_devices_and_customers(wide):
    narrow = World(seed=wide.seed, cards=wide.cards, merchants=wide.merchants)
    left, right = next(wide.days(3, 4)), next(narrow.days(3, 4))
    assert left.transactions.select(right.transactions.column_names).equals(right.transactions)
    assert left.labels.select(right.labels.column_names).equals(right.labels)
    assert left.truth.equals(right.truth)


def test_a_customer_pays_from_the_same_few_devices(rows):
    online = (rows["channel"] == "online") & ~rows["is_fraud"]
    devices: dict[str, dict[str, int]] = {}
    for customer, device in zip(rows["entity_customer"][online], rows["entity_device"][online], strict=True):
        of_customer = devices.setdefault(customer, {})
        of_customer[device] = of_customer.get(device, 0) + 1
    often = [sum(sorted(used.values())[-3:]) / sum(used.values()) for used in devices.values()]
    assert 0.93 < np.mean(often) < 1
    assert 1.3 < np.median([len(used) for used in devices.values() if sum(used.values()) > 15]) <= 4


def test_some_honest_payments_come_from_new_devices_and_stolen_accounts_always_do(rows):
    late = np.arange(len(rows["is_fraud"])) > len(rows["is_fraud"]) * 0.8
    online, new = rows["channel"] == "online", _new(rows)
    assert 0.03 < new[late & online & ~rows["is_fraud"]].mean() < 0.3
    taken = rows["pattern"] == PATTERNS[0]
    per_card = {}
    for card, device in zip(rows["entity_card"][taken & online], rows["entity_device"][taken & online], strict=True):
        per_card.setdefault(card, []).append(device)
    assert np.mean([len(set(devices)) for devices in per_card.values()]) < 1.4  # one device a takeover
    owners = {}
    for device, customer, fraud in zip(rows["entity_device"], rows["entity_customer"], rows["is_fraud"], strict=True):
        if device is not None:
            owners.setdefault(device, {}).setdefault(bool(fraud), set()).add(customer)
    assert all(len(owner) == 1 for owner in owners.values())  # no honest device does fraud too


def test_a_burst_of_card_tests_shares_a_device(rows):
    tests = (rows["pattern"] == PATTERNS[1]) & (rows["amount"] < 500)
    _, cards = np.unique(rows["entity_device"][tests].astype(str), return_counts=True)
    assert cards.max() > 8
    assert 0.3 < (cards[cards > 1].sum() / cards.sum()) < 0.6


def test_a_device_token_looks_the_same_whoever_holds_it(rows):
    online = rows["channel"] == "online"
    for fraud in (False, True):
        tokens = rows["entity_device"][online & (rows["is_fraud"] == fraud)]
        first = np.array([token[4] for token in tokens])
        assert {len(token) for token in tokens} == {16}
        assert np.unique(first).size > 25


def test_devices_are_replaced_in_the_course_of_years(wide):
    def devices(day: int) -> set[str]:
        return set(next(wide.days(day, day + 1)).transactions["entity_device"].to_pylist())

    today = devices(100)
    assert len(today & devices(101)) > 0.2 * len(today)
    assert len(today & devices(700)) <= 1  # both hold the null
