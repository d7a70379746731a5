import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError
from paywarden.scoring.policy import APPROVE, DECISIONS, DECLINE, REVIEW, Policy

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_a_threshold_belongs_to_its_own_decision():
    decision = Policy(1.0, 3.0).decide(np.array([0.999, 1.0, 2.999, 3.0, math.inf, -math.inf]))
    assert decision.dtype == np.int8
    assert decision.tolist() == [APPROVE, REVIEW, REVIEW, DECLINE, DECLINE, APPROVE]
    assert DECISIONS[DECLINE] == "decline"


def test_without_a_decline_threshold_nothing_is_declined():
    assert Policy(0.0).decide(np.array([-1.0, 1e308])).tolist() == [APPROVE, REVIEW]


def test_a_score_that_is_not_a_number_is_reviewed():
    assert Policy(0.0, 5.0).decide(np.array([math.nan])).tolist() == [REVIEW]


@given(raw=st.lists(FINITE, min_size=1), thresholds=st.tuples(FINITE, FINITE))
def test_a_higher_score_never_gets_a_milder_decision(raw, thresholds):
    decision = Policy(min(thresholds), max(thresholds)).decide(np.sort(np.array(raw)))
    assert (np.diff(decision) >= 0).all()


@given(review=FINITE, above=st.floats(min_value=0, max_value=1e6))
def test_a_policy_survives_its_document_with_its_digest(review, above):
    policy = Policy(review, review + above)
    assert Policy.from_dict(policy.to_dict()) == policy
    assert Policy.from_dict(policy.to_dict()).digest == policy.digest


def test_equal_policies_have_equal_digests_however_the_number_is_written():
    assert Policy(1).digest == Policy(1.0).digest
    assert Policy(-0.0).digest == Policy(0.0).digest
    assert len({Policy(1.0).digest, Policy(1.0, 2.0).digest, Policy(1.0, 3.0).digest, Policy(2.0).digest}) == 4


@pytest.mark.parametrize("thresholds", [(math.nan,), (math.inf,), (0.0, math.nan), (0.0, math.inf), (2.0, 1.0)])
def test_impossible_thresholds_are_refused(thresholds):
    with pytest.raises(ConfigurationError):
        Policy(*thresholds)


@pytest.mark.parametrize("document", [{}, {"review_threshold": "high"}, {"review_threshold": 1.0, "extra": 2}])
def test_a_document_that_is_no_policy_is_refused(document):
    with pytest.raises(ConfigurationError):
        Policy.from_dict(document)
