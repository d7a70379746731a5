"""From a feature vector to a decision: the model bundle, boosters, calibration, policy, reasons."""
