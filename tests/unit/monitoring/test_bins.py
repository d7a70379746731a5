import numpy as np
import pytest

from paywarden.monitoring.bins import CategoryBins, NumberBins, bins_from_dict, bins_of

NAN = float("nan")


def test_numbers_fall_into_tenths_and_absent_ones_into_the_last_bin():
    values = np.arange(1000, dtype=np.float32)
    bins = NumberBins.of(values)
    counts = np.bincount(bins.place(np.append(values, [NAN, NAN])), minlength=bins.size)
    assert counts[-1] == 2
    assert len(counts) == 11
    assert counts[:-1].min() >= 99
    assert bins.place(np.array([-5.0, 5000.0, NAN])).tolist() == [0, 9, 10]


def test_equal_values_share_a_bin():
    bins = NumberBins.of(np.repeat(np.arange(50), 2).astype(np.float64))
    assert (np.diff(bins.place(np.repeat(np.arange(50.0), 2)).reshape(-1, 2), axis=1) == 0).all()


@pytest.mark.parametrize("ones", [3, 50, 97])
def test_a_flag_is_told_apart_however_rare_it_is(ones):
    bins = NumberBins.of(np.array([0.0] * (100 - ones) + [1.0] * ones))
    zero, one = bins.place(np.array([0.0, 1.0])).tolist()
    assert zero != one


def test_a_column_that_is_always_absent_has_bins_too():
    bins = NumberBins.of(np.array([NAN, NAN]))
    assert bins.place(np.array([NAN, 1.0])).tolist() == [1, 0]


def test_categories_know_what_is_new_and_what_is_absent():
    bins = CategoryBins.of(np.array(["a", "b", "a", None], dtype=object))
    assert bins.categories == ("a", "b")
    assert bins.place(np.array(["b", "c", None, "a"], dtype=object)).tolist() == [1, 2, 3, 0]


def test_codes_are_categories():
    bins = CategoryBins.of(np.array([7.0, 7.0, 9.0, NAN], dtype=np.float32))
    assert bins.categories == ("7", "9")
    assert bins.place(np.array([9.0, 8.0, NAN], dtype=np.float32)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("categorical", [True, False])
def test_they_read_back_as_they_were_written(categorical):
    bins = bins_of(np.array([1.0, 2.0, 2.0, NAN]), categorical=categorical)
    assert bins_from_dict(bins.to_dict()) == bins
