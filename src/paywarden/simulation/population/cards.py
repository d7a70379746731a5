"""Cards: who holds them and how much of their holder's paying they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population.customers import CARDS_A_CUSTOMER, Customers

_SMALLEST_PART = 0.25  # a second card is used a quarter as often as the first, or more


@dataclass(frozen=True)
class Cards:
    """Columns of cards ``[n]``: `customer` and `rate` (payments a day), and what the customer's habits say of each."""

    customer: NDArray[np.int32]
    rate: NDArray[np.float64]
    city: NDArray[np.int32]
    country: NDArray[np.int32]
    segment: NDArray[np.int32]
    hours: NDArray[np.int32]
    week: NDArray[np.int32]
    log_income: NDArray[np.float64]
    online_share: NDArray[np.float64]
    favourites: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.customer)


def customers_of(cards: int) -> int:
    """How many customers hold so many cards."""
    return max(1, round(cards / CARDS_A_CUSTOMER))


def draw_cards(rng: np.random.Generator, cards: int, customers: Customers) -> Cards:
    """`cards` cards: one for each customer and the rest by chance; the cards of a customer share its payments."""
    others = rng.integers(len(customers), size=cards - len(customers))
    customer = rng.permutation(np.concatenate([np.arange(len(customers)), others])).astype(np.int32)
    part = rng.uniform(_SMALLEST_PART, 1.0, size=cards)
    part /= np.bincount(customer, part)[customer]
    return Cards(
        customer=customer,
        rate=customers.rate[customer] * part,
        city=customers.city[customer],
        country=customers.country[customer],
        segment=customers.segment[customer],
        hours=customers.hours[customer],
        week=customers.week[customer],
        log_income=customers.log_income[customer],
        online_share=customers.online_share[customer],
        favourites=customers.favourites[customer],
    )
