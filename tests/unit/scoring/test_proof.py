import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from paywarden.errors import BundleError
from paywarden.scoring.policy import Policy
from paywarden.scoring.proof import prove
from paywarden.scoring.scorer import Scorer


def test_a_model_that_scores_and_explains_is_proved(bundle):
    prove(Scorer(bundle))
    prove(Scorer(bundle.with_policy(Policy(0.5, 2.0, let_through_share=0.3))))


def test_a_score_that_is_no_probability_is_refused(bundle, monkeypatch):
    scorer = Scorer(bundle)
    found = scorer.score(np.zeros((2, len(bundle.feature_names)), np.float32), pa.array(["first", "second"]))
    monkeypatch.setattr(scorer, "score", lambda *_: dataclasses.replace(found, score=np.full(2, np.nan)))
    with pytest.raises(BundleError, match="where probabilities are due"):
        prove(scorer)


def test_a_model_that_cannot_explain_is_refused(bundle, monkeypatch):
    scorer = Scorer(bundle)

    def fail(*_):
        raise BundleError("no contributions")

    monkeypatch.setattr(scorer, "explain", fail)
    with pytest.raises(BundleError, match="no contributions"):
        prove(scorer)
