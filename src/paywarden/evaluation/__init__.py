"""What a score is worth: time splits, metrics, reports."""
