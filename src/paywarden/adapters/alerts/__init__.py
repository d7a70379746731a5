"""Alerts and cases in a relational database: SQLite without a server, or PostgreSQL."""
