from paywarden.events.cases import Payment
from paywarden.jobs.habits import habits

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR


def payment(n, at, amount=2_000, merchant="m1"):
    return Payment(f"t{n}", merchant, at, amount, 0.01, "approve")


def test_what_a_card_never_did_stands_out():
    before = [payment(n, NOON - (20 - n) * DAY, merchant=f"m{n % 3}") for n in range(20)]
    odd = payment("x", NOON + 15 * HOUR, 90_000, "elsewhere")
    found = {habit.what: habit for habit in habits([*before, odd], "tx", odd.occurred_at, odd.amount)}
    assert {what for what, habit in found.items() if habit.stands_out} == {"Amount", "Time of day (UTC)", "Merchant"}
    assert found["Amount"].usual == "20.00 in the middle, 20.00 at most"
    assert found["Merchant"].now == "first payment there"
    assert found["Payments in 24 hours"].now == "1"


def test_what_it_always_does_does_not():
    before = [payment(n, NOON - (20 - n) * DAY) for n in range(20)]
    same = payment("x", NOON, 2_100)
    assert not any(habit.stands_out for habit in habits([*before, same], "tx", NOON, 2_100))


def test_a_burst_stands_out():
    before = [payment(n, NOON - (30 - n) * DAY) for n in range(20)]
    burst = [payment(f"b{n}", NOON - (9 - n) * 60_000) for n in range(9)]
    found = habits([*before, *burst, payment("x", NOON)], "tx", NOON, 2_000)
    assert [habit.what for habit in found if habit.stands_out] == ["Payments in 24 hours"]


def test_of_a_card_hardly_known_nothing_is_called_usual():
    assert habits([payment(n, NOON - n * HOUR) for n in range(1, 5)], "tx", NOON, 5) == []
