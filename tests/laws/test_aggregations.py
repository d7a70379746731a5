"""Laws of every aggregation, found by discovery: a new file in the package is checked as it is."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paywarden.features.aggregations import ALL
from paywarden.features.aggregations.aggregation import Source
from paywarden.features.cells import CELL_WORDS, MAX, MAX_CAP, SKETCH, SMALL_SKETCH, SQUARES, SQUARES_CAP, SUM

INT64_MAX = 2**63 - 1
AMOUNT_MAX = 10**12

every = pytest.mark.parametrize("aggregation", ALL.values(), ids=ALL)
laws = settings(max_examples=50, deadline=None)

edges = (0, 1, -1, SQUARES_CAP, SQUARES_CAP + 1, -SQUARES_CAP - 1, AMOUNT_MAX, -AMOUNT_MAX)
amounts = st.integers(0, AMOUNT_MAX) | st.integers(-AMOUNT_MAX, AMOUNT_MAX) | st.sampled_from(edges)
"""Amounts are never negative, extra numbers may be."""
hashes = st.integers(-(2**63), INT64_MAX)


@st.composite
def events(draw, size=8):
    """Values with their clocks, of whatever either field gives: the aggregation decides which it can take."""
    pair = st.tuples(st.tuples(amounts, hashes), st.sampled_from(Source))
    return draw(st.lists(pair, max_size=size))


def is_sketch(aggregation):
    return any(stored.kind in (SKETCH, SMALL_SKETCH) for stored in aggregation.stores)


def gather(aggregation, pairs, cells=None):
    cells = aggregation.empty() if cells is None else cells
    for (amount, token), source in pairs:
        cells = aggregation.add(cells, token if is_sketch(aggregation) else amount, source)
    return cells


def same(left, right):
    assert left.dtype == right.dtype == np.int64
    np.testing.assert_array_equal(left, right)


def test_aggregations_are_found_and_named_by_their_own_name():
    assert len(ALL) >= 20
    assert all(name == aggregation.name for name, aggregation in ALL.items())


@every
@laws
@given(events(), events(), events())
def test_merge_is_associative_and_commutative(aggregation, left, middle, right):
    a, b, c = (gather(aggregation, pairs) for pairs in (left, middle, right))
    same(aggregation.merge(aggregation.merge(a, b), c), aggregation.merge(a, aggregation.merge(b, c)))
    same(aggregation.merge(a, b), aggregation.merge(b, a))


@every
@laws
@given(events())
def test_empty_is_the_identity(aggregation, pairs):
    cells, empty = gather(aggregation, pairs), aggregation.empty()
    assert not empty.any()
    same(aggregation.merge(cells, empty), cells)
    same(aggregation.merge(empty, cells), cells)


@every
@laws
@given(events(), events(size=1))
def test_adding_is_merging_with_one_alone(aggregation, pairs, one):
    cells = gather(aggregation, pairs)
    same(gather(aggregation, one, cells), aggregation.merge(cells, gather(aggregation, one)))


@every
@laws
@given(events(), events())
def test_merging_is_gathering_both_sides(aggregation, left, right):
    merged = aggregation.merge(gather(aggregation, left), gather(aggregation, right))
    same(merged, gather(aggregation, left + right))


@every
@laws
@given(events(size=5), st.randoms(use_true_random=False))
def test_the_order_of_adds_does_not_matter(aggregation, pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    same(gather(aggregation, pairs), gather(aggregation, shuffled))


@every
@laws
@given(events(), events(), amounts)
def test_inputs_are_left_unchanged(aggregation, left, right, amount):
    a, b = gather(aggregation, left), gather(aggregation, right)
    before = a.copy(), b.copy()
    aggregation.add(a, amount)
    aggregation.add(a, amount, Source.FRAUD_LABELS)
    aggregation.merge(a, b)
    aggregation.result(a, amount)
    same(a, before[0])
    same(b, before[1])


@every
@laws
@given(events(), amounts)
@example([], 0)
@example([((0, 0), Source.AUTHORISATIONS)] * 3, 0)
def test_a_result_is_finite_or_absent(aggregation, pairs, amount):
    value = aggregation.result(gather(aggregation, pairs), amount)
    assert isinstance(value, float)
    assert math.isfinite(value) or math.isnan(value)


@every
@laws
@given(st.data(), amounts)
def test_a_result_is_finite_or_absent_on_any_words_that_are_not_negative(aggregation, data, amount):
    words = len(aggregation.empty())
    cells = np.array(data.draw(st.lists(st.integers(0, INT64_MAX), min_size=words, max_size=words)), np.int64)
    assert not math.isinf(aggregation.result(cells, amount))


@every
@laws
@given(events(), events(size=2))
def test_words_go_through_bytes_and_back(aggregation, pairs, more):
    cells = gather(aggregation, pairs)
    text = cells.astype("<i8").tobytes()
    assert len(text) == 8 * sum(CELL_WORDS[stored.kind] for stored in aggregation.stores)
    read = np.frombuffer(text, dtype="<i8")
    same(read, cells)
    same(gather(aggregation, more, read), gather(aggregation, more, cells))
    same(aggregation.merge(read, read), aggregation.merge(cells, cells))
    assert aggregation.result(read, 5) == pytest.approx(aggregation.result(cells, 5), abs=0, nan_ok=True)


@every
def test_a_clock_of_which_nothing_is_stored_changes_nothing(aggregation):
    for source in Source:
        stored = any(store.source == source for store in aggregation.stores)
        assert gather(aggregation, [((1, 1), source)]).any() == stored


@every
@laws
@given(events(), hashes | amounts)
def test_a_refund_or_a_label_among_authorisations_is_told_apart(aggregation, pairs, value):
    """Events of other sources change the cells that are made of them, and no other."""
    cells = gather(aggregation, [(both, Source.AUTHORISATIONS) for both, _ in pairs])
    for source in (Source.REFUNDS, Source.FRAUD_LABELS):
        changed = aggregation.add(cells, value, source)
        places = np.cumsum([0, *(CELL_WORDS[stored.kind] for stored in aggregation.stores)])
        for stored, start, stop in zip(aggregation.stores, places, places[1:], strict=False):
            if stored.source != source:
                same(changed[start:stop], cells[start:stop])


@laws
@given(events(), hashes)
def test_a_small_sketch_never_forgets_what_it_holds(pairs, value):
    first = ALL["first_time_of"]
    cells = gather(first, pairs)
    held = first.add(cells, value)
    assert first.result(held, value) == 0
    assert first.result(gather(first, pairs, held), value) == 0
    assert first.result(first.merge(cells, held), value) == 0
    assert first.result(first.empty(), value) == 1
    assert first.result(cells, value) in (0, 1)


@pytest.mark.parametrize("name", ["count", "count_of", "refund_count", "distinct", "distinct_few"])
@laws
@given(events(), events(), hashes)
def test_what_counts_or_tells_apart_never_falls_as_more_is_seen(name, left, right, value):
    aggregation = ALL[name]
    fewer = gather(aggregation, left)
    more = gather(aggregation, right, fewer)
    assert aggregation.result(more, value) >= aggregation.result(fewer, value)


def of(name, *values, source=Source.AUTHORISATIONS):
    cells = ALL[name].empty()
    for value in values:
        cells = ALL[name].add(cells, value, source)
    return cells


def read(name, *values, present=0):
    return ALL[name].result(of(name, *values), present)


def test_squares_hold_2048_amounts_at_the_cap_and_then_stay_at_the_largest_word():
    kinds = [stored.kind for stored in ALL["zscore"].stores]
    place = kinds.index(SQUARES)
    full = of("zscore", *[AMOUNT_MAX] * 2048)
    assert full[place] == 2048 * SQUARES_CAP**2 < INT64_MAX
    beyond = ALL["zscore"].add(full, AMOUNT_MAX)
    assert beyond[place] == ALL["zscore"].add(beyond, 1)[place] == INT64_MAX
    assert ALL["zscore"].merge(full, of("zscore", AMOUNT_MAX))[place] == INT64_MAX
    assert ALL["zscore"].merge(beyond, beyond)[place] == INT64_MAX


@pytest.mark.parametrize(
    ("amount", "counts_as"), [(SQUARES_CAP - 1,) * 2, (SQUARES_CAP,) * 2, (SQUARES_CAP + 1, SQUARES_CAP)]
)
def test_squares_count_an_amount_up_to_the_cap(amount, counts_as):
    assert of("zscore", amount)[-1] == counts_as**2


def test_a_maximum_of_zero_is_not_the_maximum_of_nothing():
    assert math.isnan(read("max"))
    assert read("max", 0) == 0
    assert read("max", 3, MAX_CAP - 1, 7) == MAX_CAP - 1
    assert read("max", 3, AMOUNT_MAX, 7) == read("max", MAX_CAP) == MAX_CAP


def test_sums_are_exact_beyond_what_a_float_holds():
    assert of("sum", *[2**53, 1, 1, 1])[0] == 2**53 + 3
    million = np.array([1_000_000 * AMOUNT_MAX], np.int64)
    assert ALL["sum"].merge(million, of("sum", 1))[0] == 10**18 + 1


@pytest.mark.parametrize(
    ("name", "values", "present", "expected"),
    [
        ("count", (5, 6), 0, 2),
        ("count", (), 0, 0),
        ("sum", (), 0, 0),
        ("sum", (5, 6), 0, 11),
        ("mean", (), 0, math.nan),
        ("mean", (5, 6), 0, 5.5),
        ("ratio_to_mean", (), 9, math.nan),
        ("ratio_to_mean", (0, 0), 9, math.nan),
        ("ratio_to_mean", (2, 4), 9, 3),
        ("ratio_to_mean", (2, 4), 0, 0),
        ("zscore", (1, 9), 5, math.nan),
        ("zscore", (4, 4, 4), 5, math.nan),
        ("zscore", (1, 1, 4, 4), 4, 1),
        ("zscore", (1, 1, 4, 4), 1, -1),
        ("distinct", (), 0, 0),
        ("seconds_since_last", (), 0, math.nan),
        ("seconds_since_fraud", (), 0, math.nan),
        ("fraud_run_seconds", (), 0, math.nan),
        ("speed_kmh", (), 0, math.nan),
        ("count_of", (1, 1), 0, 2),
        ("refund_count", (5, 6), 0, 0),
        ("std", (5,), 0, math.nan),
        ("std", (5, 5), 0, 0),
        ("std", (4, 6, -4, -6), 0, math.sqrt(26)),
        ("mean", (-5, 2), 0, -1.5),
        ("sum", (-5, 2), 0, -3),
        ("zscore", (-1, -1, -4, -4), -4, -1),
        ("ratio_to_mean", (-2, -4), 9, math.nan),
        ("distinct_few", (), 0, 0),
        ("distinct_few", (5, 5 + 64), 0, -64 * math.log(63 / 64)),
        ("first_time", (), 0, 1),
        ("first_time", (5,), 5, 0),
        ("first_time_of", (), 5, 1),
        ("first_time_of", (5,), 5, 0),
        ("first_time_of", (5,), 6, 1),
        ("share", (), 0, math.nan),
        ("share", (1, 1), 0, 1),
        ("burst", (), 0, 1),
        ("peak", (), 0, math.nan),
        ("peak", (0,), 0, math.nan),
        ("peak", (2, 4), 0, 4 / 3),
    ],
)
def test_results_are_as_documented(name, values, present, expected):
    assert read(name, *values, present=present) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("amount", [999, 33_333_333, SQUARES_CAP - 1, SQUARES_CAP])
def test_equal_amounts_have_no_spread_however_large(amount):
    for times in itertools.chain(range(3, 60), (500,)):
        assert math.isnan(read("zscore", *[amount] * times, present=amount + 5)), times


def test_the_smallest_spread_of_large_amounts_is_seen():
    value = read("zscore", SQUARES_CAP, SQUARES_CAP, SQUARES_CAP - 1, present=SQUARES_CAP - 1)
    assert value == pytest.approx(-math.sqrt(2), rel=1e-12)


@laws
@given(st.lists(st.tuples(st.integers(0, SQUARES_CAP), st.integers(1, 500)), min_size=1, max_size=4), amounts)
@example([(0, 500), (SQUARES_CAP, 500)], 7)
def test_a_zscore_is_that_of_exact_arithmetic(groups, present):
    cells = np.array([sum(f(amount) * times for amount, times in groups) for f in (lambda _: 1, int, lambda a: a * a)])
    count, total, squares = cells.tolist()
    spread = count * squares - total**2
    expected = (present * count - total) / math.sqrt(spread) if count >= 3 and spread else math.nan
    assert ALL["zscore"].result(cells, present) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_a_fraud_rate_starts_at_its_prior_and_follows_what_is_seen():
    rate = ALL["fraud_rate"]
    assert rate.result(rate.empty()) == pytest.approx(0.01)
    cells = rate.empty()
    for source, times in ((Source.AUTHORISATIONS, 90), (Source.FRAUD_LABELS, 4)):
        for _ in range(times):
            cells = rate.add(cells, 0, source)
    assert rate.result(cells) == pytest.approx(4.1 / 100)


def test_only_sums_and_maxima_and_squares_depend_on_the_amount():
    for name, aggregation in ALL.items():
        depends = not np.array_equal(of(name, 1), of(name, 2))
        assert depends == any(stored.kind in (SUM, MAX, SQUARES, SKETCH, SMALL_SKETCH) for stored in aggregation.stores)


def test_a_count_of_refunds_counts_refunds():
    assert ALL["refund_count"].result(of("refund_count", 5, 6, source=Source.REFUNDS)) == 2


def test_what_is_told_from_two_cells_puts_the_field_or_the_shorter_window_first():
    """A runner adds to each cell by itself: a share's first counts the sort, a burst's the short window."""
    assert [stored.of_field for stored in ALL["share"].stores] == [True, False]
    assert ALL["share"].result(np.array([1, 4], np.int64)) == 0.25
    assert [stored.baseline for stored in ALL["burst"].stores] == [False, True]
    assert ALL["burst"].result(np.array([3, 0], np.int64)) == 4


def test_aggregations_that_answer_one_question_share_its_word():
    words = {name: aggregation.word for name, aggregation in ALL.items() if aggregation.word != name}
    assert words == {"count_of": "count", "distinct_few": "distinct", "first_time_of": "first_time"}
