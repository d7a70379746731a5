import numpy as np

from paywarden.monitoring.bins import CategoryBins, NumberBins
from paywarden.monitoring.histogram import score_histogram
from paywarden.monitoring.reference import Profile


def test_shares_are_those_of_the_references_bins_without_the_absent():
    profile = Profile(NumberBins((0.0, 1.0)), (2, 1, 1, 7), {}, {})
    found = score_histogram(profile, np.array([-3.0, 0.0, 0.5, 2.0, 9.0]))
    assert (found.edges, found.before, found.late) == ((0.0, 1.0), (0.5, 0.25, 0.25), (0.4, 0.2, 0.4))


def test_nothing_is_told_where_there_is_nothing_to_compare():
    scores = np.array([1.0])
    assert score_histogram(None, scores) is None
    assert score_histogram(Profile(CategoryBins(("a",)), (1, 0, 0), {}, {}), scores) is None
    assert score_histogram(Profile(NumberBins(()), (1, 0), {}, {}), scores[:0]) is None
