import gzip
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from paywarden.errors import DataError, MappingError
from paywarden.events.currency import CurrencyTable, DatedRate
from paywarden.events.description import FieldCount, describe
from paywarden.events.mapped_data import read_events
from paywarden.events.mapping import Mapping
from paywarden.events.remedies import REMEDIES
from paywarden.events.tokens import tokenise

MOMENT = 1_522_540_831_000  # 2018-04-01 00:00:31 UTC
DAY = 86_400_000
KEY = b"0123456789abcdef"
MAPPING = """
entities: {card: CARD, merchant: SHOP}
transaction_id: ID
occurred_at: WHEN
received_delay: 2s
amount: {column: AMOUNT, unit: major}
currency: {value: EUR}
category: MCC
label:
  column: FRAUD
  source: chargeback
  delay: 7d
  pattern: {column: WHY, names: {1: stolen}}
"""
CSV = """ID,WHEN,CARD,SHOP,AMOUNT,MCC,FRAUD,WHY,OTHER
001,2018-04-01 00:00:31,007,m1,12.34,0742,0,0,x
002,2018-04-01 00:00:32,008,,0.10,,1,1,x
003,soon,008,m1,1,,0,0,x
004,2018-04-01 00:00:33,,m1,-1,,1,1,x
005,2018-04-01 00:00:34,4111111111111111,m1,1,,0,0,x
,2018-04-01 00:00:35,009,m1,1,,0,0,x
007,2018-04-01 00:00:36,NA,m1,2,,,0,x
008,2018-04-01 00:00:36,009,m1,x,,0,0,x
009,2018-04-01 00:00:37,009,m1,3,,maybe,0,x
"""


def mapping(**replacements):
    text = MAPPING
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return Mapping.parse(text, "test")


def a_file(folder, text=CSV):
    path = folder / "events.csv"
    path.write_text(text)
    return path


def test_a_csv_becomes_canonical_tables(tmp_path):
    data = read_events(a_file(tmp_path), mapping())
    assert data.transactions.schema == data.schema.transaction_schema()
    assert data.labels.schema == data.schema.label_schema()
    assert data.rows == 9
    first, second, third = data.transactions.to_pylist()
    assert first == {
        "transaction_id": "001",
        "occurred_at": MOMENT,
        "received_at": MOMENT + 2_000,
        "routing_key": "007",
        "entity_card": "007",
        "entity_merchant": "m1",
        "amount": 1234,
        "currency": "EUR",
        "amount_base": 1234,
        "transaction_type": "authorisation",
        "auth_result": None,
        "category": "0742",
        "channel": None,
        "country": None,
        "latitude": None,
        "longitude": None,
    }
    assert (second["entity_merchant"], second["category"], second["amount"]) == (None, None, 10)
    assert third["entity_card"] == "NA"
    assert data.labels.to_pylist() == [
        {
            "transaction_id": "002",
            "occurred_at": MOMENT + 1_000,
            "labelled_at": MOMENT + 1_000 + 7 * DAY,
            "received_at": MOMENT + 1_000 + 7 * DAY,
            "routing_key": "008",
            "entity_card": "008",
            "entity_merchant": None,
            "is_fraud": True,
            "source": "chargeback",
            "pattern": "stolen",
        }
    ]


def test_refused_rows_are_counted_from_one_with_their_reason(tmp_path):
    data = read_events(a_file(tmp_path), mapping())
    assert [tuple(row.values()) for row in data.rejects.to_pylist()] == [
        (3, "transaction", "unreadable_value", "occurred_at cannot be read from column 'WHEN'"),
        (
            4,
            "transaction",
            "amount_out_of_range",
            "amount is not between 0 and 1000000000000 minor units (column 'AMOUNT')",
        ),
        (5, "transaction", "card_number", "entities.card looks like a card number; tokenise it (column 'CARD')"),
        (6, "transaction", "missing_field", "transaction_id is missing (column 'ID')"),
        (8, "transaction", "unreadable_value", "amount cannot be read from column 'AMOUNT'"),
        (9, "transaction", "unreadable_value", "label cannot be read from column 'FRAUD'"),
    ]


def test_labels_keep_to_their_rows_beside_refused_ones(tmp_path):
    lines = ["x,soon,c,,1,,0,,", "x,2018-04-01,c,,-1,,0,,", "a,2018-04-01,c,,1,,0,,", "b,2018-04-01,c,,1,,1,one,"]
    lines += [f"c,2018-04-01,c,,1,,1,{'x' * 257},", "d,2018-04-01,c,,1,,1,two,"]
    path = a_file(tmp_path, "\n".join([CSV.splitlines()[0], *lines]))
    data = read_events(path, mapping(**{"{column: WHY, names: {1: stolen}}": "WHY"}))
    assert data.labels.column("transaction_id").to_pylist() == ["b", "d"]
    assert data.labels.column("pattern").to_pylist() == ["one", "two"]
    rejects = data.rejects.select(["row", "event", "reason"]).to_pylist()
    assert [tuple(row.values()) for row in rejects] == [
        (1, "transaction", "unreadable_value"),
        (2, "transaction", "amount_out_of_range"),
        (5, "label", "too_long"),
    ]


def test_parquet_and_gzip_hold_the_same(tmp_path):
    path = a_file(tmp_path)
    zipped, parquet = tmp_path / "events.csv.gz", tmp_path / "events.parquet"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    rows = [line.split(",") for line in CSV.splitlines()]
    columns = {name: [row[i] or None for row in rows[1:]] for i, name in enumerate(rows[0])}
    table = pa.table(columns)
    pq.write_table(table.set_column(3, "SHOP", table.column("SHOP").dictionary_encode()), parquet)
    expected = read_events(path, mapping())
    for other in (zipped, parquet):
        data = read_events(other, mapping())
        assert data.transactions.equals(expected.transactions)
        assert data.labels.equals(expected.labels)
        assert data.rejects.equals(expected.rejects)


def test_legitimate_transactions_are_labelled_on_request(tmp_path):
    data = read_events(a_file(tmp_path), mapping(source="legitimate_labels: true\n  source"))
    labels = data.labels.select(["transaction_id", "is_fraud", "pattern"]).to_pylist()
    assert [tuple(row.values()) for row in labels] == [("001", False, None), ("002", True, "stolen")]


def test_ids_are_tokenised_before_they_are_checked(tmp_path):
    tokenising = mapping(**{"card: CARD": "card: {column: CARD, tokenise: true}"})
    data = read_events(a_file(tmp_path), tokenising, token_key=KEY)
    card = tokenise(pa.array(["4111111111111111"]), KEY)[0].as_py()
    assert card in data.transactions.column("entity_card").to_pylist()
    with pytest.raises(MappingError, match="set events"):
        read_events(a_file(tmp_path), tokenising)
    with pytest.raises(MappingError, match="token_key: the token key has fewer than 16 bytes"):
        read_events(a_file(tmp_path), tokenising, token_key=b"short")


def test_currencies_may_come_from_a_column(tmp_path):
    by_row = mapping(**{"{value: EUR}": "CUR"})
    path = a_file(tmp_path, "ID,WHEN,CARD,SHOP,AMOUNT,MCC,FRAUD,WHY,CUR\n" + "".join(
        f"{i},2018-04-01,c,m,12.5,,0,0,{code}\n" for i, code in enumerate(("EUR", "JPY", "KWD", "XXX"))
    ))  # fmt: skip
    table = CurrencyTable("EUR", {code: [DatedRate(0, Decimal(2))] for code in ("JPY", "KWD")})
    data = read_events(path, by_row, currencies=table)
    assert data.transactions.column("amount").to_pylist() == [1250, 12, 12500]
    assert data.transactions.column("amount_base").to_pylist() == [1250, 2400, 2500]
    assert data.rejects.column("reason").to_pylist() == ["unknown_currency"]
    with pytest.raises(MappingError, match="give a currency table"):
        read_events(path, by_row)


def test_a_column_that_is_not_there_is_named_with_what_is(tmp_path):
    for path in (a_file(tmp_path), tmp_path / "events.parquet"):
        if path.suffix == ".parquet":
            pq.write_table(pa.table({name: ["1"] for name in CSV.splitlines()[0].split(",")}), path)
        with pytest.raises(
            MappingError,
            match=r"mapping test, amount: events\.\w+ has no column 'amounts'\. Did you mean 'AMOUNT'\? It has: ID, W",
        ):
            read_events(path, mapping(**{"column: AMOUNT": "column: amounts"}))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            {"occurred_at: WHEN": "occurred_at: {column: WHEN, format: epoch_seconds}"},
            r"occurred_at: no value of column 'WHEN' .*.*'2018-04-01 00:00:31' \(string\); write .*datetime",
        ),
        (
            {"occurred_at: WHEN": "occurred_at: {column: SHOP, hour: WHEN}"},
            r"no value of column 'SHOP' and column 'WHEN' .* 'm1' \(string\) and '2018.*; correct the column",
        ),
        ({"column: AMOUNT": "column: SHOP"}, r"amount: no value of column 'SHOP'.*'m1'.*name a column of numbers"),
        (
            {"column: FRAUD": "column: CARD"},
            r"label: no value of .*'007'.*; list its values in fraud_values \(1, true\) or .* \(0, false\)",
        ),
        ({"category: MCC": "latitude: OTHER\nlongitude: OTHER"}, r"latitude: no value of column 'OTHER'.*row 1.*'x'"),
    ],
)
def test_a_column_read_in_a_wrong_way_is_named_with_a_row_and_the_remedy(tmp_path, replaced, message):
    with pytest.raises(MappingError, match=message):
        read_events(a_file(tmp_path), mapping(**replaced))


def test_no_card_number_is_shown_where_a_column_cannot_be_read(tmp_path):
    path = a_file(tmp_path, CSV.splitlines()[0] + "\n1,4111111111111111,c,m,1,,0,0,x\n")
    with pytest.raises(MappingError, match=r"in row 1 there is a value \(string\)") as caught:
        read_events(path, mapping())
    assert "4111" not in str(caught.value)


def test_a_mapping_that_fits_no_row_is_refused_with_the_first_row_and_the_remedy(tmp_path):
    path = a_file(tmp_path, CSV.splitlines()[0] + "\n1,2018-04-01,c,m,-1,,0,0,x\n2,1970-01-01,c,m,1,,0,0,x\n")
    with pytest.raises(
        MappingError, match=r"none of the 2 rows is a .*; row 1: amount .* \(column 'AMOUNT'\); correct"
    ):
        read_events(path, mapping())


def test_a_column_that_occurs_twice_is_refused_if_it_is_mapped(tmp_path):
    path = a_file(tmp_path, CSV.replace("OTHER", "MCC"))
    with pytest.raises(MappingError, match=r"category: events.csv has 2 columns 'MCC'; rename one"):
        read_events(path, mapping())
    assert (
        read_events(a_file(tmp_path, CSV.replace("OTHER", "MORE,MORE").replace(",x\n", ",x,x\n")), mapping()).rows == 9
    )


BARE = """
transaction_id: {row_number: true, prefix: f-}
occurred_at: {column: T, format: seconds_since, start: 2018-04-01 00:00:31}
amount: {column: AMOUNT, unit: minor}
currency: {value: EUR}
channel: {column: HOW, names: {true: in_person, false: online}}
extra_numbers: {tip: {column: TIP, aggregate: true}, far: {distance_km: [A, B, C, D]}, one: {value: 1}}
label: {column: FRAUD, source: issuer_report, delay: 1s, legitimate_labels: true}
"""
BARE_CSV = """T,AMOUNT,HOW,TIP,A,B,C,D,FRAUD
0,100,true,0.5,0,0,0,90,0
1e1,200,False,,0,0,0,,1.0
x,300,true,1,0,0,0,0,0
86400,400,maybe,1,0,0,0,0,0
"""


def test_data_without_entities_and_ids_become_canonical_tables(tmp_path):
    data = read_events(a_file(tmp_path, BARE_CSV), Mapping.parse(BARE, "test"))
    assert data.schema.optional == ("channel",)
    assert data.schema.aggregated == ("tip",)
    assert data.label_delay_ms == 1_000
    columns = ["transaction_id", "routing_key", "occurred_at", "amount", "channel", "extra_tip", "extra_one"]
    assert [tuple(row.values()) for row in data.transactions.select(columns).to_pylist()] == [
        ("f-1", "f-1", MOMENT, 100, "in_person", 0.5, 1.0),
        ("f-2", "f-2", MOMENT + 10_000, 200, "online", None, 1.0),
        ("f-4", "f-4", MOMENT + DAY, 400, None, 1.0, 1.0),
    ]
    assert data.transactions["extra_far"].to_pylist() == [pytest.approx(10_007.557), None, 0.0]
    labels = data.labels.select(["transaction_id", "routing_key", "received_at", "is_fraud"]).to_pylist()
    assert [tuple(row.values()) for row in labels] == [
        ("f-1", "f-1", MOMENT + 1_000, False),
        ("f-2", "f-2", MOMENT + 11_000, True),
        ("f-4", "f-4", MOMENT + DAY + 1_000, False),
    ]
    assert data.rejects.select(["row", "reason"]).to_pylist() == [{"row": 3, "reason": "unreadable_value"}]


def test_an_id_column_may_have_a_prefix(tmp_path):
    text = BARE.replace("{row_number: true, prefix: f-}", "{column: AMOUNT, prefix: f-}")
    data = read_events(a_file(tmp_path, BARE_CSV.replace("400", "")), Mapping.parse(text, "test"))
    assert data.transactions["transaction_id"].to_pylist() == ["f-100", "f-200"]
    assert data.rejects["reason"].to_pylist() == ["unreadable_value", "missing_field"]


def test_a_file_that_cannot_be_read_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_events(tmp_path / "nothing.csv", mapping())
    with pytest.raises(DataError, match="there is no file"):
        read_events(tmp_path / "nothing.parquet", mapping())
    with pytest.raises(DataError, match="neither"):
        read_events(tmp_path / "events.xlsx", mapping())
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        read_events(tmp_path / "broken.parquet", mapping())


def test_a_ragged_row_is_counted_and_not_quoted(tmp_path):
    path = a_file(tmp_path, CSV + "4111111111111111,2018\n")
    with pytest.raises(DataError, match="row 10 has 2 values and the header 9") as caught:
        read_events(path, mapping())
    assert caught.value.__cause__ is None
    assert "4111" not in str(caught.value)


def test_a_file_without_rows_gives_empty_tables(tmp_path):
    data = read_events(a_file(tmp_path, CSV.splitlines()[0] + "\n"), mapping())
    assert data.rows == data.transactions.num_rows == data.labels.num_rows == data.rejects.num_rows == 0
    assert describe(data).first_occurred_at is None


def test_a_mapping_without_labels_gives_none(tmp_path):
    text = MAPPING[: MAPPING.index("label:")]
    data = read_events(a_file(tmp_path), Mapping.parse(text, "test"))
    assert data.labels.num_rows == 0
    assert describe(data).fraud_rate is None


def test_the_description_counts_what_is_there(tmp_path):
    description = describe(read_events(a_file(tmp_path), mapping()))
    assert (description.rows, description.transactions, description.frauds) == (9, 3, 1)
    assert description.fraud_rate == pytest.approx(1 / 3)
    assert (description.first_occurred_at, description.last_occurred_at) == (MOMENT, MOMENT + 5_000)
    assert description.entities == {"card": 3, "merchant": 1}
    assert description.fields == {"category": FieldCount(pytest.approx(1 / 3), 1)}
    assert description.absent == ["auth_result", "transaction_type", "channel", "country", "location"]
    assert description.label_delay_ms == 7 * DAY
    assert description.repeated_ids == 0
    assert description.amount_quantiles["0"] == 10
    assert description.amount_quantiles["0.5"] == 200
    assert description.amount_quantiles["1"] == 1234
    assert description.labels_by_source == {"chargeback": 1}
    assert description.frauds_by_pattern == {"stolen": 1}
    assert [(r.reason, r.count, r.sample_rows) for r in description.rejects] == [
        ("unreadable_value", 3, [3, 8, 9]),
        ("amount_out_of_range", 1, [4]),
        ("card_number", 1, [5]),
        ("missing_field", 1, [6]),
    ]
    assert [r.remedy for r in description.rejects] == [REMEDIES[r.reason] for r in description.rejects]


def test_the_description_counts_extras_and_repeated_ids(tmp_path):
    text = BARE.replace("{row_number: true, prefix: f-}", "D")
    description = describe(read_events(a_file(tmp_path, BARE_CSV.replace(",,1.0", ",0,1.0")), Mapping.parse(text, "t")))
    assert description.repeated_ids == 1
    assert description.fields == {
        "channel": FieldCount(pytest.approx(2 / 3), 2),
        "tip": FieldCount(pytest.approx(2 / 3), None),
        "far": FieldCount(1.0, None),
        "one": FieldCount(1.0, None),
    }


def handbook():
    folder = os.environ.get("PAYWARDEN_DATA")
    path = Path(folder or ".") / "handbook" / "handbook_raw.parquet"
    if folder is None or not path.exists():
        pytest.skip("PAYWARDEN_DATA names no folder with handbook/handbook_raw.parquet")
    return path


def test_the_handbook_reads_whole():
    data = read_events(handbook(), Mapping.load("handbook"))
    description = describe(data)
    assert description.transactions == description.rows == 1_754_155
    assert description.frauds == 14_681
    assert description.entities == {"card": 4_990, "merchant": 10_000}
    assert description.frauds_by_pattern == {
        "compromised_terminal": 9_077,
        "compromised_customer": 4_631,
        "amount_above_220": 973,
    }
    raw = pq.read_table(handbook(), columns=["TX_AMOUNT", "TX_TIME_SECONDS"])
    start = 1_522_540_800_000
    assert pc.all(
        pc.equal(data.transactions["occurred_at"], pc.add(pc.multiply(raw["TX_TIME_SECONDS"], 1000), start))
    ).as_py()
    euros = pc.divide(pc.cast(data.transactions["amount"], pa.float64()), 100.0)
    assert pc.max(pc.abs(pc.subtract(euros, raw["TX_AMOUNT"]))).as_py() < 1e-9
