"""From settings to working parts: the only room that knows both settings and adapters.

What a command is given is the function of its name, from the file of its subject.
"""

from paywarden.wiring.declarations import catalogue, currency_table, days_ms, declared, event_schema, mapped_data
from paywarden.wiring.kafka_clients import kafka, kafka_sink, kafka_source, make_topics, tail, topic_differences
from paywarden.wiring.machine import Child, Servers, command_process, local_servers
from paywarden.wiring.monitoring import check_data, drift_settings, monitor, monitor_settings
from paywarden.wiring.online_states import (
    build_missing_state,
    build_online_state,
    catalogue_of_model,
    drop_online_state,
    events_between,
    list_online_states,
    manifests,
    serving_models,
    state_epochs,
    stream_directory,
)
from paywarden.wiring.storage import archive_columns, lake, make_buckets, write_durably, write_privately
from paywarden.wiring.stream_run import LagOf, Report, lag_of, stream
from paywarden.wiring.training import (
    alert_budget,
    cost_matrix,
    gate_settings,
    judge,
    registry,
    replayer,
    threshold_rule,
    training_history,
    training_settings,
)
from paywarden.wiring.upkeep import maintain_lake, maintain_runs, maintain_state

__all__ = [
    "Child",
    "LagOf",
    "Report",
    "Servers",
    "alert_budget",
    "archive_columns",
    "build_missing_state",
    "build_online_state",
    "catalogue",
    "catalogue_of_model",
    "check_data",
    "command_process",
    "cost_matrix",
    "currency_table",
    "days_ms",
    "declared",
    "drift_settings",
    "drop_online_state",
    "event_schema",
    "events_between",
    "gate_settings",
    "judge",
    "kafka",
    "kafka_sink",
    "kafka_source",
    "lag_of",
    "lake",
    "list_online_states",
    "local_servers",
    "maintain_lake",
    "maintain_runs",
    "maintain_state",
    "make_buckets",
    "make_topics",
    "manifests",
    "mapped_data",
    "monitor",
    "monitor_settings",
    "registry",
    "replayer",
    "serving_models",
    "state_epochs",
    "stream",
    "stream_directory",
    "tail",
    "threshold_rule",
    "topic_differences",
    "training_history",
    "training_settings",
    "write_durably",
    "write_privately",
]
