import pyarrow as pa

from paywarden.jobs.mapped import DAY_MS, arrivals_between


def table(*received_at):
    return pa.table({"id": [str(n) for n in range(len(received_at))], "received_at": pa.array(received_at, pa.int64())})


def test_days_hold_what_arrives_on_them_in_order():
    transactions = table(DAY_MS + 5, 10, DAY_MS - 1, DAY_MS, 3 * DAY_MS)
    labels = table(2 * DAY_MS + 1, 7)
    days = list(arrivals_between(transactions, labels, 0, 3 * DAY_MS + 1))
    assert [day.transactions["received_at"].to_pylist() for day in days] == [
        [10, DAY_MS - 1],
        [DAY_MS, DAY_MS + 5],
        [],
        [3 * DAY_MS],
    ]
    assert [day.labels["received_at"].to_pylist() for day in days] == [[7], [], [2 * DAY_MS + 1], []]


def test_days_begin_at_midnight_though_the_span_does_not():
    transactions = table(5, DAY_MS - 1, DAY_MS, DAY_MS + 8)
    days = list(arrivals_between(transactions, table(), 6, DAY_MS + 8))
    assert [day.transactions["received_at"].to_pylist() for day in days] == [[DAY_MS - 1], [DAY_MS]]


def test_equal_times_keep_their_order():
    days = list(arrivals_between(table(*[4] * 50), table(), 0, DAY_MS))
    assert days[0].transactions["id"].to_pylist() == [str(n) for n in range(50)]


def test_history_and_live_share_no_event_and_lose_none():
    transactions = table(*range(0, 10 * DAY_MS, DAY_MS // 7))
    cut = 6 * DAY_MS
    parts = [
        *arrivals_between(transactions, table(), 0, cut),
        *arrivals_between(transactions, table(), cut, 10 * DAY_MS),
    ]
    assert pa.concat_tables([part.transactions for part in parts]) == transactions


def test_no_time_has_no_days():
    assert list(arrivals_between(table(1), table(), 5, 5)) == []
