"""A seeded world of cards, merchants and fraudsters."""
