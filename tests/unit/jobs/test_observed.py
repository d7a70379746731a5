"""What monitoring reads of a lake, whatever clock Kafka had when the decisions were sent."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from paywarden.adapters.lake.delta_lake import DeltaLake
from paywarden.events.decision import encode_decision
from paywarden.jobs.archive import REJECT_COLUMNS
from paywarden.jobs.observed import Topics, observe
from paywarden.simulation.world import World

DAY = 86_400_000
WORLD = World(3, cards=40, merchants=60)
TOPICS = Topics("transactions", "labels", "predictions")


@pytest.fixture(scope="module")
def payments():
    return pa.concat_tables([day.transactions for day in WORLD.days(0, 30)]).sort_by("received_at")


def archived(lake, topic, table, sent_at):
    """The table of a topic, in one partition."""
    rows = table.num_rows
    coordinates = {
        "topic": pa.array([topic] * rows),
        "partition": pa.array([0] * rows, pa.int32()),
        "offset": pa.array(range(rows), pa.int64()),
        "timestamp": pa.array(sent_at, pa.int64()),
    }
    for name, values in coordinates.items():
        table = table.append_column(name, values)
    lake.append(topic, table, {0: None}, {0: rows})


@pytest.mark.parametrize("ahead", [0, 300 * DAY, -300 * DAY])
def test_decisions_count_from_when_their_payments_were_received(payments, tmp_path, ahead):
    """Kafka's clock is that of the payments, or a history is played later, or a world runs faster than ours."""
    lake, received_at = DeltaLake(str(tmp_path)), payments["received_at"].to_numpy()
    vector = np.zeros(2, np.float32)
    said = [
        encode_decision(
            {**row, "decision_id": row["transaction_id"], "source": "stream", "vector": vector}, WORLD.schema
        )
        for row in payments.select(["transaction_id", "occurred_at", "received_at"]).to_pylist()
    ]
    archived(lake, "predictions", pa.table({"value": pa.array(said, pa.binary())}), received_at + ahead)
    typed = payments
    for name in REJECT_COLUMNS:
        typed = typed.append_column(name, pa.nulls(payments.num_rows, pa.string()))
    archived(lake, "transactions", typed, received_at)
    observed = observe(lake, TOPICS, WORLD.schema, 20, card_days=0)
    assert observed.as_of == received_at.max()
    due = received_at >= observed.as_of - 20 * DAY
    assert 0 < observed.decisions.num_rows == due.sum() < len(due)
    with_vector = observed.decisions.filter(pc.is_valid(observed.decisions["vector"]))["received_at"].to_numpy()
    assert with_vector.min() >= observed.as_of - 8 * DAY
    earlier = observe(lake, TOPICS, WORLD.schema, 20, as_of=int(observed.as_of - 5 * DAY), card_days=0)
    assert earlier.decisions["received_at"].to_numpy().max() <= observed.as_of - 5 * DAY
