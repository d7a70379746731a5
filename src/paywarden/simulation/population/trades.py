"""What merchants sell: trades with their way of selling, their prices and how often people buy there."""

from __future__ import annotations

import math

import numpy as np

# Category, sold online, share of merchants, purchases relative to other trades, median price in EUR, sigma of its log.
# Prices and shares are round figures of everyday life, wide enough that every amount occurs in many trades.
_TRADES = (
    ("groceries", False, 14, 22.0, 26, 0.75),
    ("restaurants", False, 14, 13.0, 24, 0.65),
    ("fast_food", False, 8, 10.0, 8, 0.50),
    ("fuel", False, 5, 6.0, 45, 0.45),
    ("pharmacy", False, 5, 4.0, 14, 0.65),
    ("transport", False, 4, 6.0, 5, 0.80),
    ("clothing", False, 8, 4.0, 45, 0.70),
    ("electronics", False, 4, 1.5, 110, 0.95),
    ("home_and_garden", False, 5, 2.5, 50, 0.85),
    ("entertainment", False, 4, 3.0, 20, 0.60),
    ("health", False, 4, 1.5, 45, 0.70),
    ("hotels", False, 3, 1.0, 130, 0.60),
    ("jewellery", False, 2, 0.4, 140, 0.95),
    ("cash", False, 5, 4.0, 75, 0.65),
    ("marketplace", True, 8, 12.0, 30, 0.90),
    ("clothing", True, 6, 5.0, 48, 0.70),
    ("electronics", True, 4, 2.5, 95, 1.00),
    ("digital_goods", True, 5, 7.0, 6, 0.95),
    ("subscriptions", True, 4, 6.0, 11, 0.45),
    ("gaming", True, 4, 4.0, 10, 0.95),
    ("food_delivery", True, 4, 6.0, 24, 0.45),
    ("travel", True, 4, 2.0, 160, 0.90),
    ("telecom", True, 3, 3.0, 17, 0.60),
    ("transport", True, 3, 4.0, 9, 0.85),
    ("charity", True, 2, 0.8, 15, 0.90),
    ("gift_cards", True, 2, 1.0, 45, 0.70),
)

CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(trade[0] for trade in _TRADES))
TRADE_CATEGORY = np.array([CATEGORIES.index(trade[0]) for trade in _TRADES], dtype=np.int32)
TRADE_ONLINE = np.array([trade[1] for trade in _TRADES])
TRADE_SHARE = np.array([trade[2] for trade in _TRADES], dtype=np.float64)
TRADE_POPULARITY = np.array([trade[3] for trade in _TRADES])
TRADE_LOG_PRICE = np.array([math.log(trade[4] * 100) for trade in _TRADES])
TRADE_SIGMA = np.array([trade[5] for trade in _TRADES])

CASH = CATEGORIES.index("cash")
TESTABLE = np.array([CATEGORIES.index(name) for name in ("digital_goods", "gaming", "telecom", "transport", "charity")])
"""Online trades of small amounts, where stolen card numbers are tried."""
