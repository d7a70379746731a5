"""The `paywarden` command: arguments to wiring to job."""
