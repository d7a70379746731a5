import numpy as np
import pytest

from paywarden.evaluation.bootstrap import Interval, Resamples, interval_of
from paywarden.evaluation.measures import MEASURES
from paywarden.evaluation.metrics import evaluate, intervals
from paywarden.evaluation.predictions import Predictions

DAY = 86_400_000


def traffic(seed, card_spread=0.0, day_spread=0.0, cards=300, days=7):
    """Three payments a card and day or so; frauds score higher, by more on some cards and days than on others."""
    random = np.random.default_rng(seed)
    rows = cards * days
    card, day = random.integers(0, cards, rows), random.integers(0, days, rows)
    shift = card_spread * random.normal(size=cards)[card] + day_spread * random.normal(size=days)[day]
    target = random.random(rows) < 0.1
    raw = random.normal(size=rows) + np.where(target, 1.5 + shift, 0.0)
    return Predictions(
        target=target,
        raw=raw,
        score=1.0 / (1.0 + np.exp(-raw)),
        occurred_at=day * DAY,
        card=card,
        amount=random.integers(100, 9_000, rows),
        pattern=np.full(rows, None, dtype=object),
    )


def test_rows_of_a_card_are_drawn_together_and_so_are_those_of_a_day():
    some = traffic(0)
    resamples = Resamples(some.card, some.occurred_at, 5, seed=1)
    for scheme, clusters in (("cards", some.card), ("days", some.occurred_at // DAY)):
        draws = list(resamples.draws(scheme))
        assert len(draws) == 5
        for draw in draws:
            counts = [set(draw.weight[clusters == own].tolist()) for own in np.unique(clusters)]
            assert {len(own) for own in counts} == {1}
            assert sum(own.pop() for own in counts) == len(counts)  # as many clusters as there are
        again = resamples.draws(scheme)
        assert all((draw.weight == other.weight).all() for draw, other in zip(draws, again, strict=True))


def test_rows_without_a_card_are_drawn_one_by_one():
    draw = next(Resamples(np.full(50, -1), np.zeros(50, np.int64), 1).draws("cards"))
    assert draw.weight.sum() == 50
    assert len(set(draw.weight.tolist())) > 1


def test_an_interval_is_the_hull_of_both_schemes():
    drawn = {"cards": np.linspace(0.0, 1.0, 101), "days": np.linspace(0.4, 1.4, 101)}
    found = interval_of(drawn, 0.9)
    assert (found.low, found.high, found.level) == (pytest.approx(0.05), pytest.approx(1.35), 0.9)
    assert interval_of({**drawn, "days": np.append(np.full(90, 1.0), np.full(11, np.nan))}, 0.9) is None


def test_equal_seeds_give_equal_intervals():
    some = traffic(3)
    first, second, other = (evaluate(some, 1.0, 20, resamples=20, seed=seed) for seed in (1, 1, 2))
    assert first.to_dict() == second.to_dict()
    assert first.intervals != other.intervals
    assert set(first.intervals) == set(MEASURES)


@pytest.mark.parametrize(("card_spread", "day_spread"), [(0.0, 0.0), (1.0, 0.0), (0.0, 0.5)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(card_spread, day_spread):
    worlds = 60
    truth = np.mean([evaluate(traffic(10_000 + i, card_spread, day_spread), 1.0).recall for i in range(400)])
    held = 0
    for seed in range(worlds):
        some = traffic(seed, card_spread, day_spread)
        found = intervals(some, 1.0, Resamples(some.card, some.occurred_at, 80, seed), cards_a_day=20)["recall"]
        held += found.low <= truth <= found.high
    assert held / worlds >= 0.85


def test_an_honest_calibration_has_an_error_of_about_zero():
    random = np.random.default_rng(0)
    score = random.random(4_000)
    rows = np.arange(4_000)
    honest = Predictions(
        random.random(4_000) < score, score, score, rows % 9 * DAY, rows, rows, np.full(4_000, None, dtype=object)
    )
    metrics = evaluate(honest, 0.5, resamples=40)
    found = metrics.intervals["calibration_error"]
    assert found.low <= metrics.calibration_error / 2
    assert isinstance(found, Interval)
