"""Speed, size and exactness, measured here and now: `python -m benchmarks.bench --help`."""
