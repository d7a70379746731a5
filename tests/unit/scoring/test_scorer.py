from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from paywarden.errors import BundleError, ContractMismatch
from paywarden.scoring.encoding import RateTable, TargetEncoder
from paywarden.scoring.policy import APPROVE, Policy
from paywarden.scoring.scorer import Scorer, cached_scorer


def test_raw_calibrated_and_decided_agree_with_the_bundle(bundle, booster, vectors):
    scores = Scorer(bundle).score(vectors)
    assert len(scores) == len(vectors)
    assert np.array_equal(scores.raw, booster.predict_margin(vectors))
    assert np.array_equal(scores.score, bundle.calibrator.apply(scores.raw))
    assert np.array_equal(scores.decision, bundle.policy.decide(scores.raw))
    assert set(scores.decision.tolist()) == {0, 1, 2}


def test_any_cut_into_batches_changes_no_bit(bundle, vectors):
    scorer = Scorer(bundle)
    whole = scorer.score(vectors)
    for size in (1, 10, 333):
        cut = [scorer.score(vectors[start : start + size]) for start in range(0, len(vectors), size)]
        for field in ("raw", "score", "decision"):
            assert np.array_equal(np.concatenate([getattr(part, field) for part in cut]), getattr(whole, field))


def test_a_policy_given_replaces_the_bundles(bundle, vectors):
    assert (Scorer(bundle, Policy(1e9)).score(vectors).decision == APPROVE).all()


def test_reasons_carry_the_features_value(bundle, vectors):
    suspicious = vectors[np.argsort(-Scorer(bundle).score(vectors).raw)[:5]]
    explained = Scorer(bundle).explain(suspicious, top=2)
    assert len(explained) == 5
    assert all(0 < len(reasons) <= 2 for reasons in explained)
    spoken = {reason.text for reasons in explained for reason in reasons if reason.code == "CARD_VELOCITY"}
    assert spoken <= {f"{value:.0f} payments in 1 h" for value in suspicious[:, 0]}
    assert spoken


@pytest.mark.parametrize("odd", [np.zeros((2, 4), np.float32), np.zeros(3, np.float32), np.zeros((2, 3), np.float64)])
def test_vectors_of_another_shape_or_dtype_are_refused(bundle, odd):
    with pytest.raises(ContractMismatch, match=r"float32 vectors \[N, 3\]"):
        Scorer(bundle).score(odd)


def test_columns_out_of_memory_order_score_the_same(bundle, vectors):
    scorer = Scorer(bundle)
    assert np.array_equal(scorer.score(np.asfortranarray(vectors)).raw, scorer.score(vectors).raw)


def test_no_rows_give_empty_scores(bundle):
    scores = Scorer(bundle).score(np.empty((0, 3), dtype=np.float32))
    assert (scores.raw.dtype, scores.score.dtype, scores.decision.dtype) == (np.float64, np.float64, np.int8)
    assert len(scores) == 0
    assert Scorer(bundle).explain(np.empty((0, 3), dtype=np.float32)) == []


def test_threads_may_share_a_scorer(bundle, vectors):
    scorer = Scorer(bundle)
    expected = scorer.score(vectors).score
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: scorer.score(vectors).score, range(40)))
    assert all(np.array_equal(result, expected) for result in results)


def test_a_worker_loads_a_broadcast_bundle_once(bundle):
    first = cached_scorer(bundle.to_files())
    assert cached_scorer(dict(bundle.to_files())) is first
    assert cached_scorer(bundle.to_files(), Policy(4.0)) is not first
    other = bundle.with_policy(Policy(0.1))
    assert cached_scorer(other.to_files()).bundle.digest == other.digest


def test_a_broadcast_bundle_is_verified(bundle):
    files = bundle.with_policy(Policy(-3.25)).to_files()
    with pytest.raises(BundleError):
        cached_scorer(files | {"policy.json": bundle.to_files()["policy.json"]})


@pytest.fixture
def encoding_bundle(bundle):
    """The bundle with `amount` read as a code: an even one stands for the rate 1, an odd one for 0."""
    return replace(bundle, encoder=TargetEncoder({"amount": RateTable(0.5, (0, 1, 2, 3), (1.0, 0.0, 1.0, 0.0))}))


@pytest.fixture
def coded(vectors):
    """Vectors with a code in the place of `amount`, and the same with its rate: what the booster must see."""
    codes, rates = vectors[:200].copy(), vectors[:200].copy()
    codes[:, 1] = np.arange(200) % 5
    rates[:, 1] = np.choose(np.arange(200) % 5, [1.0, 0.0, 1.0, 0.0, 0.5])
    return codes, rates


def test_the_booster_sees_rates_and_the_caller_keeps_codes(bundle, encoding_bundle, coded):
    codes, rates = coded
    before = codes.copy()
    assert np.array_equal(Scorer(encoding_bundle).score(codes).raw, Scorer(bundle).score(rates).raw)
    assert not np.array_equal(Scorer(bundle).score(codes).raw, Scorer(bundle).score(rates).raw)
    assert np.array_equal(codes, before, equal_nan=True)


def test_reasons_tell_the_rate(bundle, encoding_bundle, coded):
    codes, rates = coded
    explained = Scorer(encoding_bundle).explain(codes)
    assert explained == Scorer(bundle).explain(rates)
    texts = {reason.text for reasons in explained for reason in reasons if reason.code == "AMOUNT"}
    assert texts
    assert texts <= {"amount = 1", "amount = 0", "amount = 0.5"}
