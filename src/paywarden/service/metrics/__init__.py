"""Figures of commands that run for long, as Prometheus reads them; what each means is in docs/monitoring.md."""
