"""A seeded world of cards, merchants and fraudsters: days of transactions, the labels they get and the truth."""

from paywarden.simulation.arrivals import DayArrivals, arrivals
from paywarden.simulation.world import World, WorldDay

__all__ = ["DayArrivals", "World", "WorldDay", "arrivals"]
