"""Apache Kafka: topics, acknowledged delivery, consumption."""
