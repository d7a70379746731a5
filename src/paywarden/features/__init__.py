"""The one feature definition and its engine: aggregations, tiles, catalogue, folding, state."""
