"""From the lake to a bundle: dataset by replay, booster fitting, thresholds."""
