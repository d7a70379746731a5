import contextlib
import os
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paywarden.errors import DataError, MappingError
from paywarden.events.currency import CurrencyTable
from paywarden.events.guessing.guess import quoted, scalar
from paywarden.events.guessing.profile import Column
from paywarden.events.guessing.proposal import propose
from paywarden.events.mapped_data import read_events
from paywarden.events.mapping import Mapping
from paywarden.events.sources import EntitySource, IdSource, LabelSource, Source, TimeSource

START = datetime(2000, 1, 1)  # noqa: DTZ001 - naive is meant
DAY_MS = 86_400_000
MINIMAL = {"when": ["2024-01-01 00:00:01", "2024-02-01 00:00:00"], "amount": ["1.50", "2.25"]}


def propose_for(folder, columns, **changes):
    """The proposal for a CSV of these columns, and the mapping that it says."""
    columns = {name: values for name, values in {**columns, **changes}.items() if values is not None}
    path = folder / "payments.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join(",".join(f'"{value}"' for value in row) for row in [tuple(columns), *rows]) + "\n")
    proposal = propose(path)
    return proposal, Mapping.parse(proposal.text, "proposed")


def mapping_for(folder, **changes):
    return propose_for(folder, MINIMAL, **changes)[1]


def test_the_least_is_a_time_and_an_amount(tmp_path):
    proposal, mapping = propose_for(tmp_path, MINIMAL)
    assert mapping.occurred_at == TimeSource("when")
    assert (mapping.amount.column, mapping.amount.unit) == ("amount", "major")
    assert mapping.transaction_id == IdSource()
    assert mapping.fields == {"currency": Source(value="EUR")}
    assert mapping.label is None
    assert len(proposal.missing) == 4
    assert all(any(word in said for said in proposal.missing) for word in ("frauds", "entity", "EUR", "ids"))
    assert read_events(tmp_path / "payments.csv", mapping).transactions.num_rows == 2


@pytest.mark.parametrize("absent", ["when", "amount"])
def test_what_is_essential_and_missing_is_said_where_it_must_be_written(tmp_path, absent):
    key = {"when": "occurred_at"}.get(absent, absent)
    path = tmp_path / "payments.parquet"
    pq.write_table(pa.table({name: values for name, values in MINIMAL.items() if name != absent}), path)
    proposal = propose(path)
    assert f"\n# {key}: NOT FOUND. {{column: COLUMN" in proposal.text
    assert any(f"write {key}" in said for said in proposal.missing)
    with pytest.raises(MappingError, match=f"'{key}' is missing; add it"):
        Mapping.parse(proposal.text, "proposed")


SECONDS = 1_700_000_000
DAY_AND_HOUR = TimeSource("day", "days_since", start=START, hour="hour")


@pytest.mark.parametrize(
    ("columns", "source"),
    [
        ({"ts": [SECONDS, SECONDS + 1]}, TimeSource("ts", "epoch_seconds")),
        ({"timestamp": [SECONDS * 1000, SECONDS * 1000]}, TimeSource("timestamp", "epoch_milliseconds")),
        ({"Time": [0, 172_792]}, TimeSource("Time", "seconds_since", start=START)),
        ({"TransactionDT": [86_400, 86_401]}, TimeSource("TransactionDT", "seconds_since", start=START)),
        ({"step": [1, 743]}, TimeSource("step", "hours_since", start=START)),
        ({"step": [1, 743], "hour": [1, 2]}, TimeSource("step", "hours_since", start=START)),
        ({"day": [0, 3], "hour": [1.5, 23]}, DAY_AND_HOUR),
        ({"day": [0, 3], "hour": ["01:30", "23:59:59"]}, DAY_AND_HOUR),
        ({"day": [0, 3]}, TimeSource("day", "days_since", start=START)),
        ({"Date": ["2024-01-31", "2024-02-01"], "Time": ["09:15", "10:00"]}, TimeSource("Date", hour="Time")),
        ({"Date": ["31/01/2024", "01/02/2024"], "hr": [9, 10]}, TimeSource("Date", "%d/%m/%Y", hour="hr")),
        ({"at": ["01/31/2024 10:00", "02/01/2024 11:00"]}, TimeSource("at", "%m/%d/%Y %H:%M")),
        ({"date_of_birth": ["1990-01-01", "1991-01-01"], "x": ["2024-01-01T01:00Z", "2024-01-01"]}, TimeSource("x")),
        ({"unix": [SECONDS, SECONDS + 9], "trans_date": ["2024-01-01", "2024-01-02 01:00"]}, TimeSource("trans_date")),
    ],
)  # fmt: skip
def test_times_are_found_however_they_are_written(tmp_path, columns, source):
    proposal, mapping = propose_for(tmp_path, MINIMAL, when=None, **columns)
    assert mapping.occurred_at == source
    assert ("UTC is assumed" in proposal.text) != source.format.startswith("epoch")
    assert ("write it" in " ".join(proposal.missing)) == (source.start is not None)
    read_events(tmp_path / "payments.csv", mapping)


def test_days_that_could_be_months_are_said(tmp_path):
    proposal, _ = propose_for(tmp_path, MINIMAL, when=["01/02/2024 10:00", "03/02/2024 10:00"])
    assert "read as %d/%m/%Y %H:%M, but could be %m/%d/%Y %H:%M: check it" in proposal.text


@pytest.mark.parametrize("name", ["Amount", "TX_AMOUNT", "amt", "TransactionAmt", "total_price", "amount_usd"])
def test_amounts_are_found_by_name(tmp_path, name):
    columns = {"balance_amount": [1, 2], name: [1.5, 2.5], "count": [1, 2], "amount": None}
    assert mapping_for(tmp_path, **columns).amount.column == name


def test_cents_are_minor_units_and_negative_amounts_are_said(tmp_path):
    assert mapping_for(tmp_path, amount=None, amount_cents=[150, 225]).amount.unit == "minor"
    assert "if they are cents" in propose_for(tmp_path, MINIMAL, amount=[1, 2])[0].text
    assert "if they are cents" not in propose_for(tmp_path, MINIMAL)[0].text
    assert "are negative" not in propose_for(tmp_path, MINIMAL, amount=[0, 2])[0].text
    assert "50.0% are negative" in propose_for(tmp_path, MINIMAL, amount=[-1, 2])[0].text


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ({"isFraud": [0, 1]}, {}),
        ({"Class": ["0.0", "1.0"]}, {}),
        ({"fraud": ["No", "Yes"]}, {"fraud_values": ("yes",), "legitimate_values": ("no",)}),
        ({"label": ["legit", "Fraud"]}, {"fraud_values": ("fraud",), "legitimate_values": ("legit",)}),
        ({"is_fraud": ["False", "False"]}, {}),
        ({"fraud": ["0", "stolen"]}, {"fraud_values": ("stolen",), "legitimate_values": ("0",)}),
    ],
)
def test_labels_are_found_with_their_values(tmp_path, column, label):
    (name,) = column
    assert mapping_for(tmp_path, **column).label == LabelSource(name, "chargeback", 7 * DAY_MS, **label)


def test_the_rarer_of_two_unknown_values_is_taken_for_fraud(tmp_path):
    columns = {"when": ["2024-01-01", "2024-02-01", "2024-03-01"], "amount": [1, 2, 3], "target": ["b", "a", "b"]}
    label = propose_for(tmp_path, columns)[1].label
    assert (label.fraud_values, label.legitimate_values) == (("a",), ("b",))


def test_a_score_or_a_count_is_no_label(tmp_path):
    assert mapping_for(tmp_path, fraud_score=[0, 1]).label is None
    columns = {"when": ["2024-01-01"] * 3, "amount": [1, 2, 3], "fraud": [0, 1, 2]}
    assert propose_for(tmp_path, columns)[1].label is None


def test_the_kind_of_fraud_is_the_pattern(tmp_path):
    mapping = mapping_for(tmp_path, TX_FRAUD=[0, 1], TX_FRAUD_SCENARIO=[0, 3])
    assert mapping.label.column == "TX_FRAUD"
    assert mapping.label.pattern == Source(column="TX_FRAUD_SCENARIO")


def test_data_of_few_days_have_no_label_delay(tmp_path):
    assert mapping_for(tmp_path, when=["2024-01-01", "2024-01-03"], fraud=[0, 1]).label.delay_ms == 0


@pytest.mark.parametrize("name", ["id", "TRANSACTION_ID", "trans_num", "transactionId", "tx_ref", "uuid"])
def test_ids_are_found_if_every_value_is_different(tmp_path, name):
    assert mapping_for(tmp_path, **{name: ["a", "b"]}).transaction_id == IdSource(name)
    assert mapping_for(tmp_path, **{name: ["a", "a"]}).transaction_id == IdSource()
    assert mapping_for(tmp_path, **{name: [4111111111111111, 5555555555554444]}).transaction_id == IdSource()
    assert mapping_for(tmp_path, payment=["a", "b"], transaction_name=["a", "b"]).transaction_id == IdSource()


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("card_id", "card"), ("cardNumber", "card"), ("CUSTOMER_ID", "customer"), ("user", "customer"),
        ("merchant_name", "merchant"), ("store_id", "merchant"), ("TERMINAL_ID", "terminal"), ("nameOrig", "account"),
        ("nameDest", "counterparty"), ("device_fingerprint", "device"), ("accountId", "account"),
    ],
)  # fmt: skip
def test_entities_are_found_by_name(tmp_path, name, entity):
    assert mapping_for(tmp_path, **{name: ["a", "b"]}).entities == {entity: EntitySource(name)}


@pytest.mark.parametrize("name", ["card_type", "merchant_category", "device_os_version", "user_age", "terminals_used"])
def test_what_describes_an_entity_is_none(tmp_path, name):
    assert mapping_for(tmp_path, **{name: ["a", "b"]}).entities == {}


def test_the_card_routes_and_ids_go_before_names(tmp_path):
    columns = {"merchant_name": ["a", "b"], "merchant_id": [1, 2], "customer": [1, 2], "card": [1, 2]}
    mapping = mapping_for(tmp_path, **columns)
    assert mapping.entities == {
        "card": EntitySource("card"), "customer": EntitySource("customer"), "merchant": EntitySource("merchant_id")
    }  # fmt: skip
    assert mapping.schema.routing_entity == "card"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("cc_num", ["4111111111111111", "5555555555554444"]),
        ("card", ["4111 1111 1111 1111", "1234 1234 1234 1234"]),
        ("account", ["4111111111111111", "5555555555554444"]),
        ("ip_address", ["192.0.2.1", "192.0.2.2"]),
        ("email", ["a@example.org", "b@example.org"]),
    ],
)
def test_card_numbers_and_persons_are_tokenised(tmp_path, name, values):
    proposal, mapping = propose_for(tmp_path, MINIMAL, **{name: values})
    (entity,) = mapping.entities.values()
    assert entity == EntitySource(name, tokenise=True)
    assert not any(value in proposal.text for value in values)


def test_the_merchants_place_goes_first_and_home_is_a_distance(tmp_path):
    columns = {"lat": [1.5, 2], "long": [1.5, 100], "merch_lat": [1, 2], "merch_long": [3, 4], "longest": [1, 2]}
    mapping = mapping_for(tmp_path, **columns)
    assert (mapping.fields["latitude"].column, mapping.fields["longitude"].column) == ("merch_lat", "merch_long")
    assert mapping.extras == {"home_distance_km": Source(distance_km=("lat", "long", "merch_lat", "merch_long"))}
    assert mapping.schema.optional == ("location",)


@pytest.mark.parametrize(
    "columns", [{"lat": [1, 2]}, {"lat": [1, 91], "lon": [1, 2]}, {"lat": [1, 2], "lon": ["a", "b"]}]
)
def test_half_a_place_or_no_degrees_are_none(tmp_path, columns):
    assert mapping_for(tmp_path, **columns).schema.optional == ()


def test_one_place_is_the_payments(tmp_path):
    mapping = mapping_for(tmp_path, Latitude=[1, 2], lng=[3, 4])
    assert (mapping.fields["latitude"].column, mapping.fields["longitude"].column) == ("Latitude", "lng")
    assert mapping.extras == {}


def test_currency_and_country_are_codes(tmp_path):
    fields = mapping_for(tmp_path, currency=["EUR", "USD"], country=["FR", "DE"]).fields
    assert fields == {"currency": Source(column="currency"), "country": Source(column="country")}
    assert mapping_for(tmp_path, currency=["USD", "USD"]).fields == {"currency": Source(value="USD")}
    assert mapping_for(tmp_path, currency=["$", "€"], country=["France", "Spain"]).fields == {
        "currency": Source(value="EUR")
    }


@pytest.mark.parametrize(
    ("columns", "key", "source"),
    [
        ({"category": ["a", "b"]}, "category", Source(column="category")),
        ({"mcc": ["5411", "5812"]}, "category", Source(column="mcc")),
        ({"channel": ["online", "atm"]}, "channel", Source(column="channel")),
        ({"entry": ["Web", "POS"]}, "channel", Source(column="entry", names={"web": "online", "pos": "in_person"})),
        (
            {"customer_present": ["True", "False"]},
            "channel",
            Source(column="customer_present", names={"true": "in_person", "false": "online"}),
        ),
        ({"status": ["approved", "declined"]}, "auth_result", Source(column="status")),
        (
            {"type": ["SALE", "REFUND"]},
            "transaction_type",
            Source(column="type", names={"sale": "authorisation", "refund": "refund"}),
        ),
    ],
)  # fmt: skip
def test_fields_are_found_by_their_values(tmp_path, columns, key, source):
    mapping = mapping_for(tmp_path, **columns)
    assert mapping.fields[key] == source
    assert mapping.schema.optional == (key,)
    assert read_events(tmp_path / "payments.csv", mapping).transactions.num_rows == 2


def test_numbered_columns_are_extras(tmp_path):
    columns = {f"V{i}": [0.5 * i, i] for i in range(1, 4)} | {"C1": [1, 2], "C2": [1, 2]}
    mapping = mapping_for(tmp_path, **columns)
    assert mapping.extras == {f"v{i}": Source(column=f"V{i}") for i in range(1, 4)}
    assert mapping.schema.aggregated == ()


def test_what_is_left_is_offered_and_never_taken(tmp_path):
    proposal, mapping = propose_for(
        tmp_path, MINIMAL, city_pop=[1, 2], city=["a", "b"], gender=["F", "M"], fraud_reason=["a", "b"], empty=["", ""]
    )
    assert mapping.extras == {}
    assert "\n#   city_pop: city_pop\n" in proposal.text
    assert "\n#   city: city # 2 values\n" in proposal.text
    assert "they may say who somebody is: 'gender'\n" in proposal.text
    assert "they may be known only after the payment: 'fraud_reason'\n" in proposal.text
    assert "nothing was made of them: 'empty'\n" in proposal.text
    with_extras = proposal.text.replace("# extra_numbers:", "extra_numbers:").replace("#   city_pop", "  city_pop")
    assert Mapping.parse(with_extras, "edited").schema.extra_numbers == ("city_pop",)


ODD = [
    "", " ", "a: b", "#", "'", '"', "\\", "yes", "NO", "1", "1e5", "~", "{a}", "a\tb", "é", "日本", "😀", "\x85",
    "\u2028", "x" * 300,
]  # fmt: skip


@given(st.sampled_from(ODD) | st.text())
def test_any_name_is_yaml_that_reads_back(text):
    assert yaml.safe_load(f"{{a: {scalar(text)}, b: [{scalar(text)}]}}") == {"a": text, "b": [text]}
    assert yaml.safe_load(quoted(text)) == text


KNOWN = [
    "time", "Amount", "fraud", "id", "card", "lat", "long", "country", "currency", "V1", "v_1", "V2", "day", "hour",
]  # fmt: skip
NAMES = st.sampled_from(ODD + KNOWN) | st.text(max_size=5)
VALUES = st.sampled_from(
    [
        [], [None, None], [1, 0], [1.5, float("nan")], [float("inf"), None], [10**18, -(10**18)], [True, False],
        ["", None], ["a", "b"], ["2024-01-01", "x"], [START, None], [START.date(), None], [timedelta(1), None],
        [START.time(), None], [[1], []], [{"a": 1}, None], [b"\xff", None],
        ["4111111111111111", "EUR"], ["Fraud", "NA"], ["-1", "9" * 400],
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans())
def test_odd_files_never_crash_it(tmp_path, columns, dictionary):
    arrays = [pa.array(values * (2 // max(len(values), 1)) if values else [None, None]) for _, values in columns]
    if dictionary:
        arrays = [a.dictionary_encode() if pa.types.is_string(a.type) else a for a in arrays]
    table = pa.Table.from_arrays(arrays, names=[name for name, _ in columns])
    pq.write_table(table, tmp_path / "odd.parquet")
    proposal = propose(tmp_path / "odd.parquet")
    if "NOT FOUND" in proposal.text.split("# label")[0]:
        assert yaml.safe_load(proposal.text)["currency"]
        return
    mapping = Mapping.parse(proposal.text, "proposed")
    with contextlib.suppress(MappingError):  # it may fit no row, and says so
        read_events(tmp_path / "odd.parquet", mapping, currencies=CurrencyTable("EUR"), token_key=b"0" * 16)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ("a\n", "only one column"),
        ("a;amount\n1;2\n", "values must be separated by commas"),
        ("amount,time\n", "no rows"),
        ("amount,amount,time\n1,2,3\n", "columns that occur twice were not looked at: 'amount'"),
        (",amount\n1,2\n", "a column without a name"),
        ("amount,time\n1,2\n1,2,3\n", "no column that says"),
    ],
)
def test_odd_csv_files_are_told_or_refused(tmp_path, text, said):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    if said is None:
        with pytest.raises(DataError, match="cannot be read"):
            propose(path)
    else:
        assert any(said in missing for missing in propose(path).missing)


def test_a_file_that_is_not_there_or_no_table_is_a_data_error(tmp_path):
    for name in ("nothing.csv", "nothing.parquet", "payments.xlsx"):
        with pytest.raises(DataError):
            propose(tmp_path / name)
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError):
        propose(tmp_path / "binary.csv")


def test_only_the_first_rows_are_looked_at_but_the_whole_span(tmp_path):
    table = pa.table(
        {"time": ["2024-01-01", "2024-01-02", "2025-01-01"], "amount": ["1", "2", "x"], "fraud": [0, 1, 1]}
    )
    pq.write_table(table, tmp_path / "long.parquet")
    proposal = propose(tmp_path / "long.parquet", rows=2)
    assert "3 columns and 2 rows" in proposal.text
    assert Mapping.parse(proposal.text, "proposed").label.delay_ms == 7 * DAY_MS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TX_DATETIME", ("tx", "datetime")), ("transactionId", ("transaction", "id")),
        ("CUSTOMERID", ("customer", "id")),
        ("isFraud", ("is", "fraud")), ("merch_lat", ("merch", "lat")), ("V28", ("v", "28")), ("", ()), ("日本", ()),
    ],
)  # fmt: skip
def test_names_are_split_into_words(name, words):
    assert Column(name, pa.array([1])).words == words


@pytest.mark.parametrize(
    ("file", "shipped", "same"),
    [
        ("evalml/evalml_fraud.parquet", "evalml", ("entities", "transaction_id", "occurred_at", "label")),
        ("ulb/ulb_creditcard_subset.parquet", "ulb", ("entities", "transaction_id", "amount", "extras", "label")),
        ("handbook/handbook_raw.parquet", "handbook", ("transaction_id", "occurred_at", "amount", "fields")),
    ],
)  # fmt: skip
def test_known_files_get_what_their_mappings_say(file, shipped, same):
    path = Path(os.environ.get("PAYWARDEN_DATA") or ".") / file
    if not path.exists():
        pytest.skip(f"PAYWARDEN_DATA names no folder with {file}")
    proposed, known = Mapping.parse(propose(path).text, "proposed"), Mapping.load(shipped)
    assert [getattr(proposed, part) for part in same] == [getattr(known, part) for part in same]
    assert proposed.schema.optional == known.schema.optional
