"""Every setting of Paywarden, in one frozen object: the only place where the environment and files are read.

Built at entry points only (CLI, service, DAGs); rooms get small value objects made from it in ``wiring``. From
strongest to weakest: arguments (the CLI's flags), environment (``PAYWARDEN_KAFKA__BOOTSTRAP_SERVERS``), a YAML file
(``paywarden.yaml`` in the working directory, or the one that ``PAYWARDEN_CONFIG`` names), the defaults below. Sections
merge key by key. Defaults are those of one machine without any server of its own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from paywarden.errors import ConfigurationError

CONFIG_VARIABLE = "PAYWARDEN_CONFIG"
DEFAULT_CONFIG = Path("paywarden.yaml")
ENVIRONMENT_PREFIX = "PAYWARDEN_"

_NOT_SETTINGS = {CONFIG_VARIABLE, "PAYWARDEN_DATA", "PAYWARDEN_COMMAND", "PAYWARDEN_ALERT_WEBHOOK"}
"""Variables of this prefix that are read elsewhere: the file's own path, the tests' data folder, and what Airflow's
tasks call and tell."""

_CURRENCY = re.compile(r"[A-Z]{3}")


def _currency(code: str) -> str:
    if not _CURRENCY.fullmatch(code):
        raise ValueError("must be an ISO 4217 code of three capital letters, such as EUR")
    return code


def _words(value: object) -> object:
    """In the environment a list may be written ``card,merchant`` or as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _report_json(path: Path) -> Path:
    if path.name != "report.json":
        raise ValueError("write a path that ends in report.json: `paywarden monitor` leaves it under that name")
    return path


Currency = Annotated[str, AfterValidator(_currency)]
LocalPath = Annotated[Path, AfterValidator(Path.expanduser)]
Names = Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...], NoDecode, BeforeValidator(_words)]

OptionalField = Literal["auth_result", "transaction_type", "category", "channel", "country", "location"]
OptionalFields = Annotated[tuple[OptionalField, ...], NoDecode, BeforeValidator(_words)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TopicNames(_Section):
    """The names of the topics."""

    transactions: str = "transactions"
    labels: str = "labels"
    predictions: str = "predictions"
    alerts: str = "alerts"
    outcomes: str = "outcomes"
    dead_letters: str = "transactions.dlq"
    manifests: str = "manifests"
    redriven: str = "transactions.dlq.redriven"


def _dotted(options: Any) -> Any:  # noqa: ANN401  # pydantic checks what is no mapping
    """A shell's variable cannot hold a dot: ``session_timeout_ms`` is ``session.timeout.ms``."""
    if not isinstance(options, dict):
        return options
    return {
        str(name).lower().replace("_", "."): str(value).lower() if isinstance(value, bool | int | float) else value
        for name, value in options.items()
    }


ClientProperties = Annotated[dict[str, SecretStr], BeforeValidator(_dotted)]
"""Kafka's own properties by name; values may be secrets."""

TopicProperties = Annotated[dict[str, str], BeforeValidator(_dotted)]

KAFKA_PRESETS: dict[str, dict[str, Any]] = {
    # As Confluent's own client configuration has it. Its clusters refuse topics of another replication.
    "confluent-cloud": {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "replication_factor": 3,
        "options": {"session.timeout.ms": "45000"},
    }
}


class KafkaSettings(_Section):
    """Where Kafka is, how to be let in, and how the topics are called; the same for every client."""

    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="host:port, several separated by commas")
    preset: Literal["confluent-cloud"] | None = Field(
        default=None, description="fills what is not set: SASL_SSL, PLAIN, replication 3, session.timeout.ms 45000"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = Field(
        default=None, description="null: the preset's, else PLAINTEXT"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = Field(default=None, description="at Confluent Cloud the API key")
    sasl_password: SecretStr | None = Field(default=None, description="at Confluent Cloud the API key's secret")
    ssl_ca_location: LocalPath | None = Field(
        default=None, description="PEM file of the authority, if it is a private one"
    )
    ssl_certificate_location: LocalPath | None = Field(
        default=None, description="PEM file of our own certificate and its chain, where brokers ask for one (mTLS)"
    )
    ssl_key_location: LocalPath | None = Field(default=None, description="PEM file of its key, in PKCS#8")
    ssl_key_password: SecretStr | None = Field(default=None, description="of that key, if it is encrypted")
    ssl_verify_hostname: bool = Field(
        default=True, description="whether the broker's certificate must name the host that is connected to"
    )
    options: ClientProperties = Field(
        default_factory=dict, description="Kafka's properties for every client, by names that librdkafka knows"
    )
    producer_options: ClientProperties = Field(
        default_factory=dict, description="librdkafka's, for producers only; they win over options"
    )
    consumer_options: ClientProperties = Field(
        default_factory=dict, description="librdkafka's, for consumers only; they win over options"
    )
    admin_options: ClientProperties = Field(
        default_factory=dict, description="librdkafka's, for admin clients only; they win over options"
    )
    spark_options: ClientProperties = Field(
        default_factory=dict, description="the Java client's, for Spark only; they win over options"
    )
    topics: TopicNames = TopicNames()
    partitions: int = Field(default=4, ge=1, description="of each topic that Paywarden creates")
    replication_factor: int | None = Field(
        default=None, ge=1, description="of each topic that Paywarden creates; null: the preset's, else the cluster's"
    )

    retention_days: float | None = Field(
        default=None, gt=0, description="of each topic that Paywarden creates; null: the cluster's"
    )
    topic_options: dict[str, TopicProperties] = Field(
        default_factory=dict,
        description="Kafka's properties of topics that Paywarden creates, by their key in topics: dead_letters, …",
    )

    @field_validator("topic_options")
    @classmethod
    def _name_known_topics(cls, given: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        unknown = sorted(set(given) - set(TopicNames.model_fields))
        if unknown:
            raise ValueError(f"there is no topic {', '.join(unknown)}; known are {', '.join(TopicNames.model_fields)}")
        return given

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: object) -> object:
        """What the preset says, where nothing else is said."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        for name, value in KAFKA_PRESETS.get(str(given.get("preset")), {}).items():
            if isinstance(value, dict) and isinstance(given.get(name), dict):
                filled[name] = {**value, **_dotted(given[name])}
            elif given.get(name) is None:
                filled[name] = value
        return filled

    def security(self) -> dict[str, str]:
        """The security settings under Kafka's own names, secrets in clear: for the connection only."""
        values = {
            "security.protocol": self.security_protocol or "PLAINTEXT",
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password.get_secret_value() if self.sasl_password else None,
            "ssl.ca.location": _text(self.ssl_ca_location),
            "ssl.certificate.location": _text(self.ssl_certificate_location),
            "ssl.key.location": _text(self.ssl_key_location),
            "ssl.key.password": self.ssl_key_password.get_secret_value() if self.ssl_key_password else None,
            "ssl.endpoint.identification.algorithm": None if self.ssl_verify_hostname else "none",
        }
        return {name: value for name, value in values.items() if value is not None}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


class LakeSettings(_Section):
    """Where the archive of all topics lives."""

    path: str = Field(default="data/lake", description="a directory, or s3://bucket/prefix")
    storage_options: dict[str, SecretStr] = Field(
        default_factory=dict, description="of the object store, for example AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID"
    )


class StateSettings(_Section):
    """Where the online state lives."""

    backend: Literal["lmdb", "redis"] = "lmdb"
    path: LocalPath = Field(default=Path("data/state"), description="of the LMDB environments")
    redis_url: SecretStr | None = Field(default=None, description="redis://[:password@]host:port/db, for backend redis")
    shards: int = Field(default=4, ge=1, le=1024, description="fixed when a store is made; at least one for each task")


class MlflowSettings(_Section):
    """The tracking server and the registry."""

    tracking_uri: str = "http://127.0.0.1:5000"
    model_name: str = "paywarden"
    experiment: str = "paywarden"


class StreamSettings(_Section):
    """The Spark stream."""

    master: str = Field(default="local[*]", description="Spark's master URL")
    directory: LocalPath = Field(
        default=Path("data/stream"), description="checkpoint, identity and bundles; durable, as the manifests are"
    )
    manifests: LocalPath = Field(default=Path("data/manifests"), description="durable, reachable by every driver")
    trigger_interval_seconds: float = Field(
        default=1.0, ge=0, description="0 begins a batch as soon as the last has ended"
    )
    max_offsets_per_batch: int | None = Field(
        default=100_000, ge=1, description="bounds a batch after a pause; null: none"
    )
    spark_options: dict[str, str] = Field(default_factory=dict, description="further options of the Spark session")
    model_poll_seconds: float = Field(
        default=1.0, gt=0, description="how often the registry is asked for another champion, beside the batches"
    )
    shadow: bool = Field(
        default=False, description="score the challenger on the same payments; its decisions are logged and never act"
    )


class DatedRate(_Section):
    """From the start of day ``from`` (UTC) on, one unit of the currency is worth ``rate`` of the base currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    valid_from: date = Field(alias="from")
    rate: Decimal = Field(gt=0, allow_inf_nan=False)


class EventSettings(_Section):
    """What a transaction holds here."""

    entities: Names = Field(
        default=("card", "merchant"), description="the first one gives the routing key; without any, the transaction id"
    )
    extra_numbers: Names = ()
    extra_categories: Names = ()
    optional: OptionalFields = Field(
        default=get_args(OptionalField), description="which of these fields the transactions have"
    )
    aggregated: Names = Field(default=(), description="those of extra_numbers that are aggregated over the entities")
    base_currency: Currency = "EUR"
    rates: dict[Currency, tuple[DatedRate, ...]] = Field(default_factory=dict)
    token_key: SecretStr | None = Field(
        default=None, description="turns entity ids into tokens; null: they are tokens already"
    )


class FeatureSettings(_Section):
    """Which features are computed for new models, and how they see time."""

    catalogue: str = Field(default="full", description="full, core, or the path of a YAML file that adds and removes")
    timezone: str = Field(default="UTC", description="in which hours, nights and weekdays are counted")
    holidays: str = Field(default="ECB", description="a country such as FR, or a market such as ECB (the euro's)")


class PolicySettings(_Section):
    """How scores become decisions. Thresholds themselves are chosen on validation data and live in the bundle."""

    alerts_per_day: float = Field(
        default=100.0, gt=0, description="how many transactions a day the analysts can review"
    )
    decline_precision: float | None = Field(
        default=None, gt=0, le=1, description="decline where at least this share was fraud; null: decline nothing"
    )
    let_through_share: float = Field(
        default=0.0, ge=0, lt=1, description="of would-be declines, goes to review instead, so that outcomes are seen"
    )
    thresholds: Literal["alert_budget", "minimum_precision", "expected_cost"] = Field(
        default="alert_budget", description="what thresholds are chosen by; expected_cost uses the section costs"
    )
    file: LocalPath | None = Field(
        default=None, description="YAML with allow, block and review lists and rules (docs/rules.md); null: none"
    )
    review_precision: float = Field(
        default=0.5, gt=0, le=1, description="for minimum_precision: review where at least this share was fraud"
    )


class CostSettings(_Section):
    """What decisions cost, in minor units of the base currency (cents of EUR)."""

    review_cost: float = Field(default=500.0, ge=0, description="an analyst's time for one alert")
    false_decline_cost: float = Field(
        default=5000.0, ge=0, description="a genuine payment declined: margin, a call, a customer who goes elsewhere"
    )
    chargeback_fee: float = Field(default=2000.0, ge=0, description="for each fraud, whatever its amount")
    loss_share: float = Field(default=1.0, ge=0, le=1, description="of a fraud's amount, what is our loss")
    recovered_share: float = Field(default=1.0, ge=0, le=1, description="of a fraud's loss, what a review prevents")
    declines: bool = Field(default=False, description="whether expected_cost may decline, too")


Strategies = Annotated[
    tuple[Literal["none", "class_weight", "undersampling", "smote"], ...], NoDecode, BeforeValidator(_words)
]


class ModelTrainingSettings(_Section):
    """How models are trained."""

    booster: Literal["xgboost", "lightgbm", "catboost", "logistic"] = "xgboost"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = Field(default=2, ge=1, description="part of the result: another number may give another model")
    hyperparameters: dict[str, float | str] = Field(
        default_factory=dict, description="the booster's, by name, instead of its defaults"
    )
    categories: Literal["auto", "ordered", "native"] = Field(
        default="auto", description="ordered: rates learnt in time order; native: the booster's own; auto: by booster"
    )
    imbalance: Literal["auto", "none", "class_weight", "undersampling", "smote"] = Field(
        default="auto", description="auto: of strategies the one with the best average precision on validation"
    )
    strategies: Strategies = Field(
        default=("none", "class_weight", "undersampling", "smote"),
        min_length=1,
        description="trained and reported side by side; each takes as long as training once",
    )
    resampling_ratio: float = Field(
        default=0.1, gt=0, description="frauds to genuine transactions after undersampling or SMOTE"
    )
    calibration: Literal["platt", "isotonic", "auto"] = "platt"
    tuning_trials: int | None = Field(default=None, ge=1, description="null, and no minutes: hyperparameters stay")
    tuning_minutes: float | None = Field(
        default=None, gt=0, description="ends the search early; the model then depends on the machine's speed"
    )
    tuning_folds: int = Field(default=2, ge=1, description="windows in time that each trial is judged on")
    tuning_storage: SecretStr | None = Field(
        default=None, description="sqlite:///file or postgresql://…, where a search can be continued; null: in memory"
    )
    label_delay_days: float = Field(
        default=7.0, ge=0, description="after how many days an unlabelled payment is genuine"
    )
    train_days: int | None = Field(default=None, ge=1, description="train on the last so many days; null: on all")
    compromised_days: int | None = Field(
        default=14,
        ge=0,
        description="cards with a fraud known since so many days before a window are left out of it; null: none are",
    )
    cards_a_day: int = Field(default=100, ge=1, description="for card precision: how many cards can be checked a day")
    seed: int = Field(default=0, ge=0)
    replay: Literal["local", "spark"] = Field(
        default="local", description="where history is replayed; spark: on stream.master, for more than a machine holds"
    )
    snapshots: LocalPath | None = Field(
        default=Path("data/snapshots"),
        description="where a local replay leaves its state and vectors for the next one to go on from; null: nowhere",
    )


class GateSection(_Section):
    """What a challenger must show before it serves."""

    measure: Literal["money_saved", "precision", "f1", "average_precision"] = Field(
        default="money_saved", description="what a gain is counted in, at the alerts that the policy's budget allows"
    )
    margin: float = Field(
        default=0.01, ge=0, description="the share of the champion's own figure that the gain must exceed for certain"
    )
    level: float = Field(default=0.99, ge=0.5, lt=1, description="how certain that must be, one-sided")
    fewest_positives: int = Field(default=200, ge=1, description="with fewer mature frauds the gate abstains")
    segment_level: float = Field(
        default=0.95, ge=0.5, lt=1, description="of the segments' intervals, for all of them together"
    )
    fewest_segment_frauds: int = Field(default=20, ge=1, description="segments with fewer are not judged alone")
    calibration_factor: float = Field(
        default=2.0, ge=1, description="by which announced and actual frauds may differ at most"
    )
    latency_microseconds: float = Field(default=500.0, gt=0, description="to score one transaction, in a batch")
    resamples: int = Field(default=2000, ge=100, description="of cards and of days, for the intervals")


class CheckSettings(_Section):
    """What in the data stops a training (`paywarden data check`)."""

    volume_factor: float = Field(
        default=2.0, gt=1, description="a day may have so many times the usual transactions, or so many times fewer"
    )
    most_rejected: float = Field(default=0.05, gt=0, le=1, description="of the messages that came, may be refused")
    fraud_rate_factor: float = Field(
        default=3.0, gt=1, description="by which the share of frauds among mature payments may differ from before"
    )
    stop_at_drift: float = Field(
        default=3.0, ge=1, description="drift of a field stops a training from so many times its limit on"
    )


class MonitoringSection(_Section):
    """When `paywarden monitor` speaks up."""

    drift_factor: float = Field(
        default=3.0, gt=0, description="a feature has drifted at so many times the distance that is usual for it"
    )
    drift_floor: float = Field(default=0.1, gt=0, description="the least distance (PSI) that counts as usual")
    matured_days: int = Field(default=28, ge=1, description="the last so many matured days are judged together")
    level: float = Field(
        default=0.001, gt=0, lt=0.5, description="how likely a false word of decay may be, over all figures together"
    )
    decay: float = Field(default=0.1, gt=0, lt=1, description="the share of a promised figure that may be lost")
    calibration_factor: float = Field(
        default=1.5, gt=1, description="by which announced and actual frauds may drift apart"
    )
    parity: bool = Field(default=True, description="replay the history and compare served vectors with it")


class CaseSettings(_Section):
    """Where alerts are kept as cases, and who else is told of them."""

    database: SecretStr = Field(
        default=SecretStr("sqlite:///data/cases.sqlite"),
        description="sqlite:///file or postgresql://user@host/database",
    )
    timeline_days: float = Field(
        default=30.0, ge=0, description="payments of all cards are kept so long, for a card's timeline; 0: none are"
    )
    assumed_for_review: float = Field(
        default=0.1, ge=0, le=1, description="the probability of fraud of a review that no score says, in the queue"
    )
    assumed_for_decline: float = Field(
        default=0.5, ge=0, le=1, description="the probability of fraud of a decline that no score says, in the queue"
    )
    webhook_url: SecretStr | None = Field(default=None, description="gets each alert as a POST; null: nobody does")
    webhook_secret: SecretStr | None = Field(default=None, description="signs what is posted (HMAC-SHA256)")
    webhook_timeout_seconds: float = Field(default=5.0, gt=0, description="for one try")


class ConsoleSettings(_Section):
    """The web page for analysts and model owners."""

    host: str = Field(default="127.0.0.1", description="the address to listen on; 0.0.0.0: all of this machine's")
    port: int = Field(default=8090, ge=0, le=65535, description="0: a free one")
    https_only: bool = Field(default=False, description="behind a proxy with TLS: cookies are sent through it alone")
    session_hours: float = Field(default=10.0, gt=0, description="after so long one logs in again")
    monitor_report: Annotated[LocalPath, AfterValidator(_report_json)] = Field(
        default=Path("build/monitor/report.json"),
        description="what the page Monitoring shows; `paywarden monitor` writes beside it unless told otherwise",
    )


class MaintenanceSection(_Section):
    """What `paywarden maintain` removes."""

    lake_days: float = Field(
        default=14.0, ge=1, description="files out of use are kept so long, for readers and versions of so long ago"
    )
    run_days: float = Field(default=90.0, ge=1, description="MLflow runs without a version are kept so long")


class LogSettings(_Section):
    """How commands that run as services speak on standard error."""

    format: Literal["text", "json"] = Field(
        default="text", description="text: lines for people; json: an object a line, for a collector of logs"
    )


class MetricsSettings(_Section):
    """Where commands that run for long show their figures to Prometheus; the scoring API has its own /metrics."""

    host: str = Field(default="127.0.0.1", description="the address to listen on; 0.0.0.0: all of this machine's")
    port: int | None = Field(default=None, ge=0, le=65_535, description="null: nothing listens; 0: any free one")


class ApiSettings(_Section):
    """The synchronous scoring API (`paywarden serve`)."""

    host: str = Field(default="127.0.0.1", description="the address to listen on; 0.0.0.0: every one")
    port: int = Field(default=8000, ge=0, le=65_535, description="0: any free one")
    workers: int = Field(default=1, ge=1, description="processes that answer, each with the model in its memory")
    threads: int = Field(
        default=1, ge=1, description="that score, in each worker; more help where the state is waited for, as Redis is"
    )
    directory: LocalPath = Field(
        default=Path("data/api"),
        description="answers given, decisions on their way to Kafka, bundles; durable, one for the machine's workers",
    )
    keys: LocalPath = Field(
        default=Path("data/api/keys.json"), description="hashes of the keys that `paywarden keys create` gave out"
    )
    timeout_ms: float = Field(
        default=200.0, gt=0, description="after so long a request is answered by the fallback, without a score"
    )
    approve_up_to: int = Field(
        default=5_000, ge=0, description="without a score, amounts up to this pass (minor units of the base currency)"
    )
    above: Literal["review", "decline"] = Field(
        default="review", description="what becomes, without a score, of amounts above approve_up_to"
    )
    largest_body_bytes: int = Field(default=262_144, ge=1_024, description="a larger request is refused with 413")
    largest_batch: int = Field(default=50, ge=1, le=1_000, description="transactions in one request")
    transactions_per_second: float = Field(
        default=200.0, gt=0, description="of each key, over all workers; beyond, requests are refused with 429"
    )
    burst: int = Field(default=400, ge=1, description="how many transactions may come at once before that holds")
    answers_hours: float = Field(
        default=24.0, gt=0, description="so long the same transaction_id is given the same answer again"
    )
    poll_seconds: float = Field(default=5.0, gt=0, description="between two looks for a new champion or a new policy")


class Settings(BaseSettings):
    """All settings. Use :func:`load_settings`, whose errors say what to do."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        validate_default=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    lake: LakeSettings = LakeSettings()
    state: StateSettings = StateSettings()
    mlflow: MlflowSettings = MlflowSettings()
    stream: StreamSettings = StreamSettings()
    events: EventSettings = EventSettings()
    features: FeatureSettings = FeatureSettings()
    policy: PolicySettings = PolicySettings()
    costs: CostSettings = CostSettings()
    training: ModelTrainingSettings = ModelTrainingSettings()
    gate: GateSection = GateSection()
    checks: CheckSettings = CheckSettings()
    monitoring: MonitoringSection = MonitoringSection()
    maintenance: MaintenanceSection = MaintenanceSection()
    cases: CaseSettings = CaseSettings()
    console: ConsoleSettings = ConsoleSettings()
    api: ApiSettings = ApiSettings()
    logs: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    cache_dir: LocalPath = Field(
        default=Path("~/.cache/paywarden"), description="jars fetched for Spark and the local broker"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, file; no .env and no secrets directory, which nobody would look for."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_file())


def load_settings(**given: Any) -> Settings:  # noqa: ANN401  # pydantic checks them
    """The settings in force; ``given`` are sections as mappings, from the CLI's flags, and win over all else.

    Raises :class:`ConfigurationError` that names every wrong setting as one writes it (``kafka.partitions``), what is
    wrong with it and where it may be set; values are not repeated, since they may be secrets.
    """
    _refuse_unknown_variables(os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "\n".join(f"- {_problem(dict(details))}" for details in error.errors(include_url=False))
        raise ConfigurationError(f"{_count(error.error_count())} wrong:\n{problems}\n{_WHERE}") from None
    except SettingsError as error:
        raise ConfigurationError(f"A setting in the environment cannot be read: {error}. {_WHERE}") from error


_WHERE = (
    f"Set them as flags, as environment variables ({ENVIRONMENT_PREFIX}SECTION__NAME) or in {DEFAULT_CONFIG} "
    f"(or the file that {CONFIG_VARIABLE} names)."
)


def _count(number: int) -> str:
    return "A setting is" if number == 1 else f"{number} settings are"


def _problem(details: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        known = _names_at(details["loc"][:-1])
        return f"{path}: there is no such setting" + (f"; known here: {', '.join(known)}" if known else "")
    return f"{path}: {details['msg']}"


def _names_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return sorted(model.model_fields)


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """pydantic-settings passes over a variable whose section does not exist: a typo must not pass for a default."""
    for variable in environment:
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in _NOT_SETTINGS:
            section = variable[len(ENVIRONMENT_PREFIX) :].split("__")[0].lower()
            if section not in Settings.model_fields:
                raise ConfigurationError(
                    f"The environment variable {variable} names no setting; sections are "
                    f"{', '.join(sorted(Settings.model_fields))}. Correct or unset it."
                )


def _read_file() -> dict[str, Any]:
    asked = os.environ.get(CONFIG_VARIABLE)
    path = Path(asked).expanduser() if asked else DEFAULT_CONFIG
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        if asked:
            raise ConfigurationError(f"{CONFIG_VARIABLE} is {asked}, but there is no such file.") from None
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read as YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold sections (kafka:, lake:, …), not a {type(content).__name__}.")
    return content
