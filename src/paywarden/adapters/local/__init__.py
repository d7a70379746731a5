"""Servers on this machine for the demo and the tests: jars, a Kafka broker, MLflow."""
