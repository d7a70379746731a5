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


def test_customers_differ_in_income_habits_and_devices(people):
    customers = people.customers
    assert 0.4 < customers.log_income.std() < 0.5
    for habit, kinds in ((customers.hours, 4), (customers.week, 3), (customers.segment, 5), (customers.devices - 1, 3)):
        assert np.bincount(habit, minlength=kinds).min() > 0.1 * len(customers)
        assert habit.max() == kinds - 1
    assert customers.online_share.std() > 0.15


def test_every_customer_holds_a_card_and_some_hold_several(people):
    cards, customers = people.cards, people.customers
    held = np.bincount(cards.customer, minlength=len(customers))
    assert len(customers) == 2_400
    assert held.min() == 1
    assert 0.15 < (held > 1).mean() < 0.3
    for column in ("city", "country", "segment", "hours", "week", "log_income", "online_share"):
        assert np.array_equal(getattr(cards, column), getattr(customers, column)[cards.customer])


def test_the_cards_of_a_customer_share_its_payments(people):
    cards, customers = people.cards, people.customers
    assert np.bincount(cards.customer, cards.rate) == pytest.approx(customers.rate)
    assert 1.2 < cards.rate.mean() < 1.9
    second = np.bincount(cards.customer)[cards.customer] > 1
    assert cards.rate[second].min() < 0.6 * cards.rate[second].mean()


def test_cash_comes_from_machines(people):
    shops = people.merchants
    assert np.array_equal(shops.channel == ATM, shops.category == trades.CASH)


def test_neighbours_are_the_cards_of_a_city(people):
    cards, bounds = people.neighbours
    for city in range(people.market.cities):
        assert np.array_equal(cards[bounds[city] : bounds[city + 1]], np.flatnonzero(people.cards.city == city))


def test_merchants_lie_about_their_city(people):
    shops = people.merchants
    km = geography.distance_km(
        shops.latitude, shops.longitude, geography.CITY_LATITUDE[shops.city], geography.CITY_LONGITUDE[shops.city]
    )
    assert 2 < np.median(km) < 12


def test_a_few_cards_travel_for_some_days(people):
    days = np.stack([whereabouts(people, 4, 0, day) for day in range(20)])
    away = days != people.cards.city
    assert 0.02 < away.mean() < 0.08
    stays = away[:-1] & (days[1:] == days[:-1])
    assert stays.sum() > 0.6 * away[:-1].sum()
    assert np.array_equal(whereabouts(people, 4, 0, 12), days[12])
    assert away.any(axis=0).mean() < 0.5


def test_some_customers_travel_more_than_others_and_with_all_their_cards(people):
    away = np.mean([whereabouts(people, 4, 0, day) != people.cards.city for day in range(0, 700, 7)], axis=0)
    keen = people.customers.wanderlust[people.cards.customer]
    assert away[keen > np.quantile(keen, 0.8)].mean() > 3 * away[keen < np.quantile(keen, 0.4)].mean()
    of_customer = np.bincount(people.cards.customer, away) / np.bincount(people.cards.customer)
    assert np.allclose(away, of_customer[people.cards.customer])
