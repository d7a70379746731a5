"""What each pattern leaves behind, seen by someone who knows every row of its campaigns."""

from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.draft import DAY_MS, GENUINE, HOUR_MS, MINUTE_MS, PATTERNS
from paywarden.simulation.fraud.account_takeover import account_takeovers
from paywarden.simulation.fraud.campaigns import _PLAYS, LOOK_BACK_DAYS
from paywarden.simulation.fraud.card_testing import _tests, card_tests
from paywarden.simulation.fraud.geographic_anomaly import impossible_travels
from paywarden.simulation.fraud.merchant_collusion import _charges, _colluders, _skimmed, collusions
from paywarden.simulation.population.geography import distance_km

_DAY = 3
_CAMPAIGNS = 400


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_campaign_stays_within_the_days_looked_back(world, rng, name):
    rows = _PLAYS[name].play(rng, world.stage, _DAY, _CAMPAIGNS)
    day = rows.occurred_ms // DAY_MS
    assert day.min() >= _DAY
    assert day.max() < _DAY + LOOK_BACK_DAYS


@pytest.mark.parametrize("name", PATTERNS)
def test_a_campaign_has_as_many_frauds_as_counted_on(world, rng, name):
    rows = _PLAYS[name].play(rng, world.stage, _DAY, _CAMPAIGNS)
    frauds = rows.pattern == PATTERNS.index(name)
    assert frauds.sum() / _CAMPAIGNS == pytest.approx(_PLAYS[name].mean_frauds, rel=0.08)
    assert (rows.pattern[~frauds] == GENUINE).all()


@pytest.mark.parametrize("name", PATTERNS)
def test_no_campaign_leaves_no_rows(world, rng, name):
    assert len(_PLAYS[name].play(rng, world.stage, _DAY, 0)) == 0


def test_a_taken_account_buys_dearer_and_dearer_at_merchants_it_does_not_know(world, rng):
    rows = account_takeovers(rng, world.stage, _DAY, _CAMPAIGNS)
    starts = np.flatnonzero(np.diff(rows.card, prepend=-1))  # neighbours hardly ever share a victim
    ends = np.append(starts[1:], len(rows)) - 1
    assert np.all(np.diff(rows.occurred_ms)[np.diff(rows.card) == 0] >= 0)
    hours = (rows.occurred_ms[ends] - rows.occurred_ms[starts]) / HOUR_MS
    assert 1 < np.median(hours) < 8
    assert np.median(rows.amount[ends]) > 1.8 * np.median(rows.amount[starts])
    cards = world.stage.people.cards
    known = (cards.favourites[rows.card] == rows.merchant[:, None]).any(axis=1)
    assert known.mean() < 0.15
    abroad = world.stage.people.merchants.country[rows.merchant] != cards.country[rows.card]
    assert abroad.mean() > 0.6


def test_card_testing_tries_many_cards_at_few_merchants(world, rng):
    for _ in range(20):
        burst = _tests(rng, world.stage, _DAY, 1)
        assert len(np.unique(burst.merchant)) <= 2
        assert len(np.unique(burst.card)) > 20
        assert np.ptp(burst.occurred_ms) < 3 * HOUR_MS
    tests = _tests(rng, world.stage, _DAY, _CAMPAIGNS)
    assert 0.3 < tests.declined.mean() < 0.4
    assert 200 < np.median(tests.amount) < 350
    assert tests.amount.max() < 500
    assert world.stage.people.merchants.online[tests.merchant].all()


def test_a_number_used_in_earnest_was_approved_before_and_pays_more(world, rng):
    rows = card_tests(rng, world.stage, _DAY, 1)
    order = np.lexsort((rows.occurred_ms, rows.card))
    card, declined, amount = rows.card[order], rows.declined[order], rows.amount[order]
    again = np.flatnonzero(np.diff(card) == 0) + 1
    assert len(again) > 3
    assert declined[again - 1].mean() < 0.2
    assert np.median(amount[again]) > 3 * np.median(amount[again - 1])


def test_half_of_the_colluders_skim_and_half_push_charges_through_a_ring(world):
    seasons = [_colluders(world.stage, season) for season in range(20)]
    assert np.concatenate([colluders.skims for colluders in seasons]).mean() == pytest.approx(0.5, abs=0.03)
    apart = np.concatenate([colluders.merchant != colluders.accomplice for colluders in seasons])
    assert apart.mean() > 0.9


def test_a_skimmers_visitors_are_abused_later_for_round_amounts(world, rng):
    colluders = _colluders(world.stage, 0)
    chosen = rng.choice(np.flatnonzero(colluders.skims), size=_CAMPAIGNS)
    visits, frauds = _skimmed(rng, world.stage, _DAY, colluders, chosen)
    visited, places = {}, {}
    for card, merchant, at in zip(visits.card, visits.merchant, visits.occurred_ms, strict=True):
        visited[card] = at // DAY_MS
        places.setdefault(card, set()).add(merchant)
    assert (frauds.amount % 1000 == 0).all()
    assert all(visited[card] < at // DAY_MS for card, at in zip(frauds.card, frauds.occurred_ms, strict=True))
    favourite = (world.stage.people.cards.favourites[visits.card] == visits.merchant[:, None]).any(axis=1)
    assert favourite.all()
    back = [merchant in places[card] for card, merchant in zip(frauds.card, frauds.merchant, strict=True)]
    assert 0.55 < np.mean(back) < 0.75  # a third of them at the accomplice, which some cards visited too
    again = (np.diff(frauds.card) == 0) & (np.diff(frauds.merchant) == 0)
    assert again.mean() > 0.6
    assert np.median(np.diff(frauds.occurred_ms)[again]) < HOUR_MS
    assert len(np.unique(frauds.merchant)) <= 2 * len(np.unique(visits.merchant))


def test_a_ring_of_a_few_neighbours_is_charged_round_amounts_again_and_again(world, rng):
    colluders = _colluders(world.stage, 0)
    chosen = rng.choice(np.flatnonzero(~colluders.skims), size=_CAMPAIGNS)
    frauds = _charges(rng, world.stage, _DAY, colluders, chosen)
    assert (frauds.amount % 1000 == 0).all()
    rings = {merchant: set(frauds.card[frauds.merchant == merchant]) for merchant in np.unique(frauds.merchant)}
    cities = world.stage.people.cards.city
    assert all(4 <= len(ring) <= 8 and len(set(cities[list(ring)])) == 1 for ring in rings.values())
    one = _charges(rng, world.stage, _DAY, colluders, chosen[:1])
    assert np.ptp(one.occurred_ms) < 3 * HOUR_MS


def test_colluders_stay_the_same_for_a_season(world, rng):
    first, later, next_season = (collusions(rng, world.stage, day, _CAMPAIGNS) for day in (0, 27, 28))
    assert set(first.merchant) == set(later.merchant)
    assert set(first.merchant) != set(next_season.merchant)


def test_a_copied_card_is_far_away_within_the_hour(world, rng):
    rows = impossible_travels(rng, world.stage, _DAY, _CAMPAIGNS)
    honest, frauds = rows.take(rows.pattern == GENUINE), rows.take(rows.pattern != GENUINE)
    shops = world.stage.people.merchants
    assert not shops.online[rows.merchant].any()
    once = {card: row for row, card in enumerate(honest.card) if (honest.card == card).sum() == 1}
    seen = np.array([row for row, card in enumerate(frauds.card) if card in once])
    before = np.array([once[card] for card in frauds.card[seen]])
    gap = frauds.occurred_ms[seen] - honest.occurred_ms[before]
    assert gap.min() > 5 * MINUTE_MS
    first = np.unique(frauds.card[seen], return_index=True)[1]
    assert gap[first].max() < HOUR_MS
    here, there = honest.merchant[before], frauds.merchant[seen]
    km = distance_km(shops.latitude[here], shops.longitude[here], shops.latitude[there], shops.longitude[there])
    assert km.min() > 550
