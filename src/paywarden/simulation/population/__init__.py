"""Who lives in the world: cards, merchants, their cities, trades, habits and travels."""
