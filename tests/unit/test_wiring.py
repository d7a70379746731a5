import os
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from paywarden import wiring
from paywarden.adapters.kafka.consumer import RECORD_SCHEMA
from paywarden.adapters.local.snapshot_files import SnapshotFiles
from paywarden.adapters.state.lmdb_store import LmdbStateStore
from paywarden.errors import ConfigurationError, RegistryError
from paywarden.events.encoding import encode_transactions
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.replay import replay
from paywarden.features.templates import full_catalogue
from paywarden.jobs.incremental_replay import IncrementalReplay
from paywarden.settings import ENVIRONMENT_PREFIX, load_settings
from paywarden.simulation.world import World
from paywarden.training.imbalance import STRATEGIES
from paywarden.training.thresholds import AlertBudget, ExpectedCost, MinimumPrecision
from paywarden.training.tuning import TuningSettings
from paywarden.wiring.stream_rules import stream_rules


@pytest.fixture(autouse=True)
def defaults(tmp_path, monkeypatch):
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)


def test_entities_and_extras_reach_schema_and_catalogue():
    events = {"entities": ("account",), "extra_numbers": ("age",), "aggregated": ("age",), "optional": ("country",)}
    settings = load_settings(events=events)
    assert wiring.event_schema(settings) == EventSchema(("account",), ("age",), (), ("country",), ("age",))
    assert wiring.catalogue(settings) == full_catalogue(wiring.event_schema(settings))


def test_the_calendar_is_that_of_the_settings():
    settings = load_settings(features={"timezone": "Europe/Paris", "holidays": "FR"})
    assert wiring.catalogue(settings).calendar == Calendar("Europe/Paris", "FR")


@pytest.mark.parametrize("name", Mapping.packaged())
def test_what_a_mapping_declares_can_be_settings(name):
    schema = Mapping.load(name).schema
    settings = load_settings(events=wiring.declared(schema))
    assert wiring.event_schema(settings) == schema


def test_rates_hold_from_midnight_utc():
    rates = {"USD": [{"from": "2024-01-01", "rate": "0.9"}, {"from": "2024-02-01", "rate": "0.8"}]}
    table = wiring.currency_table(load_settings(events={"rates": rates}))
    assert table.base == "EUR"
    midnight = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1000)
    assert [rate.valid_from_ms for rate in table.rates["USD"]][1] == midnight
    assert [rate.rate for rate in table.rates["USD"]] == [Decimal("0.9"), Decimal("0.8")]


def test_every_topic_of_records_but_alerts_is_archived():
    settings = load_settings(kafka={"topics": {"transactions": "t", "labels": "l"}})
    topics = settings.kafka.topics
    assert set(wiring.archive_columns(settings)) == set(topics.model_dump().values()) - {topics.alerts, topics.redriven}


def test_the_default_states_are_lmdb(tmp_path):
    settings = load_settings(state={"path": tmp_path / "state", "shards": 2})
    store = wiring.state_epochs(settings).recipe("a" * 64)()
    assert isinstance(store, LmdbStateStore)
    assert store.shards == 2
    store.close()


def test_redis_needs_its_address():
    with pytest.raises(ConfigurationError, match=r"state\.redis_url"):
        wiring.state_epochs(load_settings(state={"backend": "redis"}))


def test_the_catalogue_of_new_models_is_a_setting(tmp_path):
    path = tmp_path / "features.yaml"
    path.write_text("base: core\nadd: [{entity: card, aggregation: count, window: 2h, tile: 20m}]")
    core = wiring.catalogue(load_settings(features={"catalogue": "core"}))
    added = wiring.catalogue(load_settings(features={"catalogue": str(path)}))
    assert set(added.names) - set(core.names) == {"card_count_2h"}
    with pytest.raises(ConfigurationError, match="no catalogue 'cor'"):
        wiring.catalogue(load_settings(features={"catalogue": "cor"}))


PASSWORD = {"sasl_password": "hush"}
TOKEN_KEY = {"token_key": "0123456789abcdef"}


def test_secrets_reach_the_adapters_and_no_repr():
    settings = load_settings(
        lake={"storage_options": {"AWS_SECRET_ACCESS_KEY": "hush"}},
        kafka={
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "u",
            "sasl_password": "hush",
        },
    )
    assert wiring.lake(settings).storage_options == {"AWS_SECRET_ACCESS_KEY": "hush"}
    assert "hush" in str(wiring.kafka(settings).client_config())
    assert "hush" not in repr((wiring.lake(settings), wiring.kafka(settings), settings))


def test_every_kind_of_client_has_its_properties():
    settings = load_settings(
        kafka={
            "options": {"client.id": "all"},
            **{f"{kind}_options": {"client.id": kind} for kind in ("producer", "consumer", "admin", "spark")},
        }
    )
    kafka = wiring.kafka(settings)
    assert kafka.client_config()["client.id"] == "all"
    for kind, config in (
        ("producer", kafka.producer_config()),
        ("consumer", kafka.consumer_config()),
        ("admin", kafka.admin_config()),
    ):
        assert config["client.id"] == kind
    assert kafka.spark_options()["kafka.client.id"] == "spark"


def test_the_policy_reaches_the_training():
    settings = load_settings(policy={"alerts_per_day": 7, "decline_precision": 0.9})
    budget = wiring.training_settings(settings).budget
    assert (budget.alerts_per_day, budget.decline_precision) == (7, 0.9)


def test_a_stream_does_not_start_with_rules_that_its_champion_cannot_compute(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: [{name: odd, when: features.sometime > 1.0, then: review}]")
    settings = load_settings(policy={"file": policy}, stream={"manifests": tmp_path / "manifests"})
    said = []

    def rules(champion):
        return stream_rules(settings, champion, pytest.fail, said.append)

    catalogue = full_catalogue(EventSchema())
    with pytest.raises(ConfigurationError, match="rule 'odd': there is no feature sometime"):
        rules(lambda: SimpleNamespace(engine=SimpleNamespace(catalogue=catalogue)))
    assert said == []

    def away():
        raise RegistryError("MLflow is away")

    rules(away)  # there is no telling; the stream tells once it has a model
    assert "is in force: 0 lists, 1 rules" in said[0]


def test_the_thresholds_are_chosen_by_what_the_policy_says():
    rules = [
        wiring.training_settings(load_settings(policy={"thresholds": by}, costs={"review_cost": 77})).rule
        for by in ("alert_budget", "minimum_precision", "expected_cost")
    ]
    assert [type(rule) for rule in rules] == [AlertBudget, MinimumPrecision, ExpectedCost]
    assert rules[2].costs.review_cost == 77
    assert not rules[2].declines


def test_costs_reach_training_and_gate_whatever_chooses_the_thresholds():
    settings = load_settings(costs={"review_cost": 77})
    assert wiring.training_settings(settings).costs == wiring.gate_settings(settings).costs
    assert wiring.training_settings(settings).costs.review_cost == 77


def test_how_models_are_trained_is_set_in_its_section():
    given = wiring.training_settings(
        load_settings(
            training={
                "threads": 1,
                "hyperparameters": {"max_depth": 4},
                "categories": "native",
                "strategies": "none,smote",
                "imbalance": "smote",
                "resampling_ratio": 0.3,
                "tuning_trials": 7,
                "tuning_storage": "sqlite:///tuning.db",
                "calibration": "auto",
                "compromised_days": None,
                "seed": 9,
            }
        )
    )
    assert (given.booster.threads, given.booster.max_depth) == (1, 4)
    assert (given.categories, given.strategies) == ("native", ("none", "smote"))
    assert (given.imbalance, given.resampling.ratio, given.seed) == ("smote", 0.3, 9)
    assert (given.calibration, given.compromised_days) == ("auto", None)
    assert given.tuning == TuningSettings(7, None, "sqlite:///tuning.db", 2)
    default = wiring.training_settings(load_settings())
    assert default.tuning is None
    assert default.compared == STRATEGIES
    with pytest.raises(ConfigurationError, match="no hyperparameter max_dept"):
        wiring.training_settings(load_settings(training={"hyperparameters": {"max_dept": 4}}))


def test_lag_is_what_kafka_holds_beyond_a_manifest(monkeypatch):
    ends = {"transactions": {0: 30, 1: 8}, "labels": {0: 5}}
    monkeypatch.setattr(
        "paywarden.wiring.stream_run.end_offsets", lambda connection, topics: {t: ends[t] for t in topics}
    )
    ranges = (
        OffsetRange("labels", 0, 0, 5),
        OffsetRange("transactions", 0, 0, 20),
        OffsetRange("transactions", 1, 7, 7),
    )
    assert wiring.lag_of(load_settings())(BatchManifest(1, 1, ranges, "layout")) == {
        "labels": 0,
        "transactions": 10 + 1,
    }


class Source:
    """Kafka with one partition more than was asked for, a malformed transaction, and no labels."""

    def __init__(self, values):
        self.values, self.asked = values, []

    def read(self, start, end):
        self.asked.append((start, end))
        (topic,) = end
        for partition in (0, 1):
            rows = {
                "topic": [topic] * len(self.values),
                "partition": [partition] * len(self.values),
                "offset": list(range(len(self.values))),
                "timestamp": [1_700_000_000_000] * len(self.values),
                "key": [None] * len(self.values),
                "value": self.values,
            }
            yield pa.table(rows, schema=RECORD_SCHEMA)


def test_events_between_offsets_are_the_valid_ones_of_the_ranges(monkeypatch):
    (day,) = World(4, cards=40, merchants=60).days(0, 1)
    valid = day.transactions.slice(0, 3)
    source = Source([b"{", *encode_transactions(valid, EventSchema())])
    monkeypatch.setattr("paywarden.wiring.online_states.kafka_source", lambda _: source)
    ranges = (OffsetRange("labels", 0, 5, 5), OffsetRange("transactions", 0, 0, 3))
    transactions, labels = wiring.events_between(load_settings())(ranges)
    assert source.asked == [({"transactions": {0: 0}}, {"transactions": {0: 3}})]  # nothing of the labels
    assert transactions["transaction_id"].to_pylist() == valid["transaction_id"].to_pylist()[:2]
    assert transactions["offset"].to_pylist() == [1, 2]
    assert transactions["partition"].to_pylist() == [0, 0]
    assert labels.num_rows == 0
    assert set(EventSchema().label_schema().names) < set(labels.schema.names)


MAPPING = """
entities: {card: card}
transaction_id: id
occurred_at: {column: at, format: epoch_milliseconds}
amount: {column: amount, unit: minor}
currency: CURRENCY
"""


@pytest.fixture
def mapped(tmp_path):
    table = pa.table({"id": ["1", "2"], "card": ["x", "y"], "at": [1_700_000_000_000] * 2, "amount": [100, 200]})
    table = table.append_column("currency", pa.array(["EUR", "USD"]))
    pa_csv.write_csv(table, tmp_path / "events.csv")

    def mapped(currency, **events):
        (tmp_path / "map.yaml").write_text(MAPPING.replace("CURRENCY", currency))
        return wiring.mapped_data(load_settings(events=events), tmp_path / "events.csv", str(tmp_path / "map.yaml"))

    return mapped


def test_a_column_of_currencies_needs_rates_only_for_foreign_ones(mapped):
    assert mapped("{column: currency}").transactions["transaction_id"].to_pylist() == ["1"]
    rates = {"USD": [{"from": "2020-01-01", "rate": "0.5"}]}
    assert mapped("{column: currency}", rates=rates).transactions["amount_base"].to_pylist() == [100, 100]


def test_a_file_of_one_currency_has_it_as_base(mapped):
    found = mapped("{value: GBP}")
    assert found.currencies.base == "GBP"
    assert found.transactions["amount_base"].to_pylist() == [100, 200]


def test_the_key_of_the_settings_makes_tokens(mapped, monkeypatch):
    tokenised = MAPPING.replace("{card: card}", "{card: {column: card, tokenise: true}}")
    monkeypatch.setattr(f"{__name__}.MAPPING", tokenised)
    cards = mapped("{value: EUR}", **TOKEN_KEY).transactions["entity_card"].to_pylist()
    assert not {"x", "y"} & set(cards)
    assert len(set(cards)) == 2
    with pytest.raises(ConfigurationError, match="token_key"):
        mapped("{value: EUR}")


def test_days_are_milliseconds():
    assert wiring.days_ms(1.5) == 129_600_000


def test_a_replay_goes_on_from_a_snapshot_unless_there_is_no_place_for_one(tmp_path):
    with wiring.replayer(load_settings(training={"snapshots": str(tmp_path)})) as replayer:
        assert replayer == IncrementalReplay(SnapshotFiles(tmp_path), replayer.say)
    with wiring.replayer(load_settings(training={"snapshots": None})) as replayer:
        assert replayer is replay
