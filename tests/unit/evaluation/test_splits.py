import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paywarden.errors import DataError
from paywarden.evaluation.splits import DAY_MS, TimeSplit, Window, choose_split, prequential

HOUR_MS = DAY_MS // 24
START = 1_522_540_800_000  # 2018-04-01T00:00Z


def test_a_window_is_half_open():
    assert Window(10, 20).contains(np.array([9, 10, 19, 20])).tolist() == [False, True, True, False]
    assert Window(0, DAY_MS * 3 // 2).days == 1.5


def test_the_cutoffs_are_the_starts_of_selection_and_of_test():
    split = TimeSplit(Window(0, 10), Window(15, 20), Window(20, 22), Window(25, 30), label_delay_ms=5)
    assert (split.train_cutoff, split.validation_cutoff) == (15, 25)
    assert split.validation == Window(15, 22)
    expected = {"train": [0, 10], "selection": [15, 20], "calibration": [20, 22], "test": [25, 30]}
    assert split.to_dict() == {**expected, "label_delay_ms": 5}


@pytest.mark.parametrize(
    ("windows", "delay", "message"),
    [
        ((Window(0, 0), Window(15, 20), Window(20, 22), Window(25, 30)), 5, "train window"),
        ((Window(0, 10), Window(15, 14), Window(20, 22), Window(25, 30)), 5, "selection window"),
        ((Window(0, 10), Window(15, 20), Window(20, 20), Window(25, 30)), 5, "calibration window"),
        ((Window(0, 10), Window(15, 20), Window(20, 22), Window(25, 25)), 5, "test window"),
        ((Window(0, 11), Window(15, 20), Window(20, 22), Window(25, 30)), 5, "must end the label delay"),
        (
            (Window(0, 10), Window(15, 21), Window(20, 22), Window(25, 30)),
            5,
            "selection window .* overlaps calibration",
        ),
        ((Window(0, 10), Window(15, 20), Window(20, 26), Window(25, 30)), 5, "calibration window .* overlaps test"),
        ((Window(0, 10), Window(15, 20), Window(20, 22), Window(25, 30)), -1, "label delay"),
    ],
)
def test_impossible_windows_are_refused(windows, delay, message):
    with pytest.raises(DataError, match=message):
        TimeSplit(*windows, label_delay_ms=delay)


def windows_from(start, unit, *bounds):
    return {
        name: Window(start + begin * unit, start + end * unit)
        for name, (begin, end) in zip(("train", "selection", "calibration", "test"), bounds, strict=True)
    }


def test_half_a_year_gets_a_week_each_to_select_calibrate_and_test():
    split = choose_split(START, START + 183 * DAY_MS, 7 * DAY_MS)
    assert split.windows == windows_from(START, DAY_MS, (0, 141), (148, 155), (155, 162), (169, 176))
    limited = choose_split(START, START + 183 * DAY_MS, 7 * DAY_MS, train_days=30)
    assert limited.train == Window(START + 111 * DAY_MS, START + 141 * DAY_MS)
    assert limited.test == split.test


def test_a_span_too_short_says_what_is_needed_and_what_is_there():
    with pytest.raises(DataError, match=r"span 20\.0 days.* needs 22: a day to train.* label delay of 7 days"):
        choose_split(START, START + 20 * DAY_MS, 7 * DAY_MS)
    assert choose_split(START, START + 25 * DAY_MS, 7 * DAY_MS).train.days == 1


def test_two_days_are_split_at_full_hours():
    hour = HOUR_MS
    split = choose_split(START, START + 2 * DAY_MS - 8_000, 0)  # as long as creditcard.csv of ULB
    assert split.windows == windows_from(START, hour, (0, 26), (26, 33), (33, 40), (40, 47))
    late = choose_split(START, START + 2 * DAY_MS - 8_000, hour // 2)
    assert [window.start for window in (late.selection, late.test)] == [START + 25 * hour, START + 40 * hour]
    with pytest.raises(DataError, match=r"span 0\.8 days.* needs 1: a day"):
        choose_split(START, START + 20 * hour, 0)


def test_folds_step_back_by_the_length_of_test_and_train_on_what_there_is():
    split = choose_split(START, START + 60 * DAY_MS, 7 * DAY_MS)
    assert split.windows == windows_from(START, DAY_MS, (0, 21), (28, 34), (34, 40), (47, 53))
    oldest, middle, last = prequential(split, 3, START)
    assert last == split
    assert middle.windows == windows_from(START, DAY_MS, (0, 15), (22, 28), (28, 34), (41, 47))
    assert oldest.test.end == middle.test.start
    limited = choose_split(START, START + 60 * DAY_MS, 7 * DAY_MS, train_days=9)
    assert [fold.train.days for fold in prequential(limited, 3, START)] == [9, 9, 9]
    assert prequential(split, 2, START, DAY_MS)[0].test.end == split.test.end - DAY_MS
    with pytest.raises(DataError, match=r"For 5 folds that are 6 days apart, 3\.0 days of history are missing"):
        prequential(split, 5, START)
    with pytest.raises(DataError, match="0 folds"):
        prequential(split, 0, START)


@example(offset=1, span=442_800_000, delay=1, train_days=None)
@given(
    offset=st.integers(0, DAY_MS),
    span=st.integers(0, 400 * DAY_MS),
    delay=st.integers(0, 20 * DAY_MS),
    train_days=st.none() | st.integers(1, 60),
)
def test_a_chosen_split_never_lets_a_window_see_an_immature_label(offset, span, delay, train_days):
    start, as_of = START + offset, START + offset + span
    try:
        split = choose_split(start, as_of, delay, train_days)
    except DataError:
        assert span < 3 * delay + DAY_MS + 4 * HOUR_MS  # refused only for want of time, roundings included
        return
    assert start <= split.train.start < split.train.end
    assert split.train.end + delay <= split.train_cutoff == split.selection.start
    assert split.selection.end == split.calibration.start
    assert split.calibration.end + delay <= split.validation_cutoff == split.test.start
    assert split.test.end + delay <= as_of
    bounds = (split.selection.start, split.calibration.start, split.test.end, split.train.end)
    # Hours may make windows of whole days, too.
    unit, fewest = (HOUR_MS, 4 / 24) if any(bound % DAY_MS for bound in bounds) else (DAY_MS, 1)
    assert all(bound % unit == 0 for bound in bounds)
    assert fewest <= split.test.days == split.selection.days == split.calibration.days <= 7
    assert split.train.days >= split.test.days or train_days is not None
    assert unit == DAY_MS or span < 3 * delay + 9 * DAY_MS  # hours are for what days cannot split
