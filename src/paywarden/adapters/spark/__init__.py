"""Apache Spark: the session and the structured stream."""
