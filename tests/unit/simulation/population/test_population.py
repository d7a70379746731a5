from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.draft import ATM
from paywarden.simulation.population import geography, trades
from paywarden.simulation.population.population import draw_population
from paywarden.simulation.population.travel import whereabouts


@pytest.fixture(scope="module")
def people():
    return draw_population(seed=4, cards=3_000, merchants=600)


@pytest.mark.parametrize("merchants", [60, 130, 1_000])
def test_every_city_has_shops_and_every_common_trade_its_merchants(merchants):
    people = draw_population(seed=1, cards=50, merchants=merchants)
    shops, cities = people.merchants, people.market.cities
    assert set(shops.city[~shops.online]) == set(range(cities))
    assert shops.online.any()
    assert (shops.online & np.isin(shops.category, trades.TESTABLE)).any()
    if merchants >= 130:
        assert set(shops.category) == set(range(len(trades.CATEGORIES)))


def test_the_same_seed_gives_the_same_population(people):
    again, other = draw_population(4, 3_000, 600), draw_population(5, 3_000, 600)
    assert np.array_equal(again.cards.favourites, people.cards.favourites)
    assert not np.array_equal(other.cards.favourites, people.cards.favourites)


def test_favourites_are_near_home_or_online(people):
    cards, shops = people.cards, people.merchants
    nearby, online = cards.favourites[:, :6], cards.favourites[:, 6:]
    assert np.array_equal(shops.city[nearby], np.broadcast_to(cards.city[:, None], nearby.shape))
    assert shops.online[online].all()
    domestic = shops.country[online] == cards.country[:, None]
    assert 0.2 < domestic.mean() < 0.8  # buying abroad is common, buying at home commoner than chance


def test_regulars_are_the_cards_that_hold_a_merchant_dear(people):
    cards, bounds = people.regulars
    for merchant in (0, 17, 599):
        expected = np.flatnonzero((people.cards.favourites == merchant).any(axis=1))
        assert np.array_equal(np.unique(cards[bounds[merchant] : bounds[merchant + 1]]), expected)


def test_cards_spread_over_levels_and_rates(people):
    assert 0.4 < people.cards.log_level.std() < 0.5
    assert 1.2 < people.cards.rate.mean() < 1.9
    assert people.cards.rate.min() >= 0.1


def test_cash_comes_from_machines(people):
    shops = people.merchants
    assert np.array_equal(shops.channel == ATM, shops.category == trades.CASH)


def test_merchants_lie_about_their_city(people):
    shops = people.merchants
    km = geography.distance_km(
        shops.latitude, shops.longitude, geography.CITY_LATITUDE[shops.city], geography.CITY_LONGITUDE[shops.city]
    )
    assert 2 < np.median(km) < 12


def test_a_few_cards_travel_for_some_days(people):
    days = np.stack([whereabouts(people, 4, day) for day in range(20)])
    away = days != people.cards.city
    assert 0.02 < away.mean() < 0.08
    stays = away[:-1] & (days[1:] == days[:-1])
    assert stays.sum() > 0.6 * away[:-1].sum()
    assert np.array_equal(whereabouts(people, 4, 12), days[12])
    assert away.any(axis=0).mean() < 0.5
