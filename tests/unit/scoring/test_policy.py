import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError, ContractMismatch
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


def ids(count):
    return pa.array([f"t{i}" for i in range(count)], pa.string())


def decided(policy, raw, names):
    decision = policy.decide(np.asarray(raw, dtype=np.float64))
    propensity = policy.let_through(decision, names)
    return decision, propensity


def test_the_share_of_declines_is_let_through_to_review_with_its_propensity():
    policy = Policy(0.0, 1.0, let_through_share=0.1)
    decision, propensity = decided(policy, [2.0] * 20_000 + [0.5] * 100 + [-1.0] * 100, ids(20_200))
    through = propensity < 1.0
    assert 0.09 < through[:20_000].mean() < 0.11  # 0.1 ± 5 standard deviations
    assert set(decision[through]) == {REVIEW}
    assert set(propensity[through]) == {0.1}
    assert set(decision[:20_000][~through[:20_000]]) == {DECLINE}
    assert not through[20_000:].any()  # what is not declined needs no letting through
    assert decision[20_000:].tolist() == [REVIEW] * 100 + [APPROVE] * 100


def test_who_is_let_through_depends_on_id_and_policy_alone():
    policy, names = Policy(0.0, 1.0, let_through_share=0.3), ids(200)
    decision, _ = decided(policy, [2.0] * 200, names)
    backwards, _ = decided(policy, [3.0] * 200, names.take(pa.array(np.arange(200)[::-1])))
    assert np.array_equal(decision, backwards[::-1])
    other, _ = decided(Policy(0.0, 1.5, let_through_share=0.3), [2.0] * 200, names)
    assert not np.array_equal(decision, other)


def test_without_a_share_no_ids_are_needed_and_the_digest_stays():
    decision, propensity = decided(Policy(0.0, 1.0), [2.0, 0.5], None)
    assert decision.tolist() == [DECLINE, REVIEW]
    assert propensity.tolist() == [1.0, 1.0]
    assert Policy(0.0, 1.0, 0.0).to_dict() == {"review_threshold": 0.0, "decline_threshold": 1.0}
    shared = Policy(0.0, 1.0, 0.05)
    assert Policy.from_dict(shared.to_dict()) == shared
    assert shared.digest != Policy(0.0, 1.0).digest
    with pytest.raises(ContractMismatch, match="ids"):
        decided(shared, [2.0], None)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ConfigurationError, match="let_through_share"):
        Policy(0.0, 1.0, share)
