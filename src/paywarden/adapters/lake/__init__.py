"""Delta tables, one a topic, with Kafka offsets in each commit."""
