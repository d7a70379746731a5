"""The mappings that come with Paywarden: on the files they are for, or on samples of their shape, invented."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from paywarden.events import reasons
from paywarden.events.description import describe
from paywarden.events.mapped_data import read_events
from paywarden.events.mapping import Mapping
from paywarden.events.remedies import REMEDIES
from paywarden.events.schema import EventSchema
from paywarden.events.tokens import tokenise

KEY = b"0123456789abcdef"
DAY = 86_400_000
SPARKOV = """,trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,zip,lat,long,\
city_pop,job,dob,trans_num,unix_time,merch_lat,merch_long,is_fraud
0,2019-01-01 00:00:18,4111111111111111,"fraud_Able, Baker and Sons",misc_net,4.97,Ann,Example,F,1 Some Street,Sometown,\
NC,11111,36.0,-81.0,3495,"Invented, by hand",1990-01-01,0a0a,1325376018,36.5,-82.0,0
1,2019-01-01 00:00:44,5555555555554444,fraud_Charlie Ltd,grocery_pos,107.23,Bob,Example,M,2 Some Street,Othertown,\
WA,22222,48.0,-118.0,149,Tester,1980-01-01,0b0b,1325376044,48.0,-118.0,1
2,2019-01-01 00:00:51,4111111111111111,fraud_Delta PLC,home,220.11,Ann,Example,F,1 Some Street,Sometown,\
NC,11111,36.0,-81.0,3495,"Invented, by hand",1990-01-01,0c0c,1325376051,36.0,-81.0,0
""".replace("\\\n", "")
ULB = (
    '"Time",' + ",".join(f'"V{i}"' for i in range(1, 29)) + ',"Amount","Class"\n'
    "0," + ",".join(f"-1.{i}" for i in range(1, 29)) + ',149.62,"0"\n'
    "1e+05," + ",".join(f"{i}e-05" for i in range(1, 29)) + ',2.69,"1"\n'
)


def data_file(name):
    folder = os.environ.get("PAYWARDEN_DATA")
    path = Path(folder or ".") / name
    if folder is None or not path.exists():
        pytest.skip(f"PAYWARDEN_DATA names no folder with {name}")
    return path


def test_four_come_along():
    assert Mapping.packaged() == ("evalml", "handbook", "sparkov", "ulb")


class TestSparkov:
    @pytest.fixture
    def data(self, tmp_path):
        (tmp_path / "fraudTrain.csv").write_text(SPARKOV)
        return read_events(tmp_path / "fraudTrain.csv", Mapping.load("sparkov"), token_key=KEY)

    def test_every_row_is_a_transaction(self, data):
        assert data.rejects.to_pylist() == []
        assert data.schema == EventSchema(
            ("card", "merchant"), ("home_distance_km", "city_pop"), (), ("category", "channel", "location")
        )
        assert data.transactions.select(["transaction_id", "entity_merchant", "amount", "channel"]).to_pylist() == [
            {
                "transaction_id": "0a0a",
                "entity_merchant": "fraud_Able, Baker and Sons",
                "amount": 497,
                "channel": "online",
            },
            {"transaction_id": "0b0b", "entity_merchant": "fraud_Charlie Ltd", "amount": 10723, "channel": "in_person"},
            {"transaction_id": "0c0c", "entity_merchant": "fraud_Delta PLC", "amount": 22011, "channel": None},
        ]

    def test_no_card_number_is_kept_and_cards_stay_apart(self, data):
        cards = data.transactions["entity_card"].to_pylist()
        assert (
            cards == tokenise(pa.array(["4111111111111111", "5555555555554444", "4111111111111111"]), KEY).to_pylist()
        )
        assert not any("4111" in str(row.values()) for row in data.transactions.to_pylist() + data.labels.to_pylist())

    def test_the_merchant_is_the_place_and_home_a_distance(self, data):
        assert data.transactions["latitude"].to_pylist() == [36.5, 48.0, 36.0]
        assert data.transactions["extra_home_distance_km"].to_pylist() == [pytest.approx(105.5, abs=0.2), 0.0, 0.0]

    def test_the_fraud_is_labelled_with_its_card_a_week_later(self, data):
        (label,) = data.labels.to_pylist()
        assert label["entity_card"] == label["routing_key"] == data.transactions["entity_card"][1].as_py()
        assert label["received_at"] - label["occurred_at"] == 7 * DAY

    def test_without_a_key_it_says_what_to_set(self, tmp_path):
        (tmp_path / "fraudTrain.csv").write_text(SPARKOV)
        with pytest.raises(Exception, match="PAYWARDEN_EVENTS__TOKEN_KEY"):
            read_events(tmp_path / "fraudTrain.csv", Mapping.load("sparkov"))


class TestUlb:
    def test_the_csv_is_read_without_card_merchant_and_id(self, tmp_path):
        (tmp_path / "creditcard.csv").write_text(ULB)
        data = read_events(tmp_path / "creditcard.csv", Mapping.load("ulb"))
        assert data.rejects.to_pylist() == []
        assert data.schema == EventSchema((), tuple(f"v{i}" for i in range(1, 29)), (), ())
        first, second = data.transactions.to_pylist()
        assert (first["transaction_id"], first["routing_key"], first["amount"]) == ("1", "1", 14962)
        assert second["occurred_at"] - first["occurred_at"] == 100_000_000
        assert (first["extra_v3"], second["extra_v28"]) == (-1.3, 28e-5)
        assert data.labels["transaction_id"].to_pylist() == ["2"]

    def test_the_subset_reads_whole_as_parquet_and_as_csv(self, tmp_path):
        path = data_file("ulb/ulb_creditcard_subset.parquet")
        data = read_events(path, Mapping.load("ulb"))
        found = describe(data)
        assert (found.rows, found.transactions, found.frauds, found.entities) == (10_000, 10_000, 492, {})
        pa_csv.write_csv(pq.read_table(path), tmp_path / "creditcard.csv")
        again = read_events(tmp_path / "creditcard.csv", Mapping.load("ulb"))
        assert again.transactions.equals(data.transactions)
        assert again.labels.equals(data.labels)


class TestEvalml:
    def test_the_demo_reads_whole(self):
        path = data_file("evalml/evalml_fraud.parquet")
        data = read_events(path, Mapping.load("evalml"))
        found = describe(data)
        assert (found.rows, found.transactions, found.frauds) == (99_992, 99_992, 15_179)
        assert found.entities == {"card": 33_333, "merchant": 10_000}
        assert data.schema.optional == ("channel", "country", "location")
        present = pq.read_table(path, columns=["customer_present"]).column(0)
        assert pc.all(pc.equal(pc.equal(data.transactions["channel"], "in_person"), present)).as_py()


def test_every_reason_a_row_of_a_file_can_have_has_a_remedy():
    of_messages = {
        reasons.EMPTY, reasons.TOO_LARGE, reasons.MALFORMED_JSON, reasons.NOT_AN_OBJECT, reasons.WRONG_TYPE,
        reasons.DUPLICATE_FIELD,
    }  # fmt: skip
    assert set(REMEDIES) == set(reasons.CODES) - of_messages
