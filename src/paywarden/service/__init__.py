"""What answers over HTTP: the scoring API."""
