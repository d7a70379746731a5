"""What holds for every kind of booster, from fitting to the bytes in a bundle."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from paywarden.errors import BundleError, ConfigurationError
from paywarden.evaluation.metrics import average_precision
from paywarden.scoring.boosters import BOOSTER_FILES, load_booster
from paywarden.training.boosters import KINDS, Examples, trainer_of

FEW = {"max_rounds": 25, "early_stopping_rounds": 0}
NATIVE = [kind for kind in KINDS if trainer_of(kind).native_categories]
LOAD = """
import sys
from paywarden.errors import BundleError
from paywarden.scoring.boosters import load_booster
content, refused = open(sys.argv[2], "rb").read(), 0
end = len(content.rstrip())
cuts = [*range(0, 40, 5), *range(40, end, end // 25), *range(end - 40, end, 5)]
for cut in cuts:
    try:
        load_booster(sys.argv[1], content[:cut])
    except BundleError:
        refused += 1
print(refused, len(cuts))
"""


def trainer(kind, **changes):
    return trainer_of(kind, threads=1, **({**FEW, **changes} if kind != "logistic" else changes))


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(2)
    features = random.normal(size=(3000, 4)).astype(np.float32)
    features[::5, 1] = np.nan
    features[:, 3] = random.integers(0, 7, 3000)
    features[::11, 3] = np.nan
    drawn = features[:, 0] + np.isin(features[:, 3], [1, 4]) + 0.5 * random.normal(size=3000)
    target = drawn > 2
    return Examples(features[:2000], target[:2000]), Examples(features[2000:], target[2000:])


@pytest.fixture(scope="module", params=[*KINDS, *(f"{kind}, native categories" for kind in NATIVE)])
def fitted(request, examples):
    kind, _, native = request.param.partition(",")
    train, validation = (with_categories(some) if native else some for some in examples)
    return trainer(kind).fit(train, validation, seed=0)


def with_categories(examples):
    return Examples(examples.features, examples.target, examples.weight, categorical=(3,))


@pytest.fixture(scope="module")
def vectors(examples):
    return examples[1].features


def test_every_kind_has_a_file_and_a_trainer():
    assert set(KINDS) == set(BOOSTER_FILES)
    assert len(set(BOOSTER_FILES.values())) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_runs_give_equal_bytes(kind, examples):
    first, second = (trainer_of(kind, threads=2, **({} if kind == "logistic" else FEW)) for _ in range(2))
    assert first.fit(*examples, seed=1).booster.to_bytes() == second.fit(*examples, seed=1).booster.to_bytes()


@pytest.mark.parametrize("kind", NATIVE)
def test_equal_runs_give_equal_bytes_with_categories_too(kind, examples):
    both = [with_categories(some) for some in examples]
    first, second = (trainer(kind).fit(*both, seed=1).booster.to_bytes() for _ in range(2))
    assert first == second


def test_the_bytes_come_back_as_the_same_model(fitted, vectors):
    booster = fitted.booster
    read_back = load_booster(booster.kind, booster.to_bytes(), threads=2)
    assert read_back.to_bytes() == booster.to_bytes()
    assert read_back.feature_count == booster.feature_count == 4
    assert np.array_equal(read_back.predict_margin(vectors), booster.predict_margin(vectors))
    assert read_back.contributions(vectors[:50]) == pytest.approx(booster.contributions(vectors[:50]), abs=1e-9)


def test_the_margins_rank_as_the_curve_says(fitted, examples):
    reached = average_precision(examples[1].target, fitted.booster.predict_margin(examples[1].features))
    assert reached == pytest.approx(fitted.validation_average_precision[-1], abs=2e-4)  # float32 probabilities tie
    assert reached > 0.4


@pytest.mark.parametrize("size", [1, 7, 64])
def test_any_cut_into_batches_gives_the_same_margins(fitted, vectors, size):
    booster = fitted.booster
    cut = [booster.predict_margin(vectors[start : start + size]) for start in range(0, 200, size)]
    assert np.array_equal(np.concatenate(cut)[:200], booster.predict_margin(vectors)[:200])


def test_contributions_sum_to_the_margin(fitted, vectors):
    margin, contributions = fitted.booster.predict_margin(vectors[:200]), fitted.booster.contributions(vectors[:200])
    assert margin.dtype == contributions.dtype == np.float64
    assert contributions.shape == (200, 5)
    assert contributions.sum(axis=1) == pytest.approx(margin, abs=1e-5)  # XGBoost sums in float32


def test_no_rows_give_no_results(fitted):
    nothing = np.empty((0, 4), dtype=np.float32)
    assert fitted.booster.predict_margin(nothing).shape == (0,)
    assert fitted.booster.contributions(nothing).shape == (0, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -1.0, 99.0])
def test_any_value_has_a_finite_score_that_is_explained(fitted, value):
    rows = np.zeros((4, 4), dtype=np.float32)
    np.fill_diagonal(rows, value)
    margin = fitted.booster.predict_margin(rows)
    assert np.isfinite(margin).all()
    assert fitted.booster.contributions(rows).sum(axis=1) == pytest.approx(margin, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"garbage" * 9, b"\x80\x04.", b"tree\nversion=v4\n\n", b"CBM1" + bytes(90)]
)
def test_bytes_that_are_no_model_are_refused(kind, content):
    with pytest.raises(BundleError, match=BOOSTER_FILES[kind]):
        load_booster(kind, content)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_another_kind_is_refused(kind, examples):
    content = trainer(kind).fit(*examples, seed=0).booster.to_bytes()
    for other in set(KINDS) - {kind}:
        with pytest.raises(BundleError, match=BOOSTER_FILES[other]):
            load_booster(other, content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_cut_short_is_refused_and_ends_no_process(kind, examples, tmp_path):
    file = tmp_path / BOOSTER_FILES[kind]
    file.write_bytes(trainer(kind).fit(*examples, seed=0).booster.to_bytes())
    run = subprocess.run([sys.executable, "-c", LOAD, kind, file], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    refused, cuts = map(int, run.stdout.split()[-2:])
    assert refused == cuts > 30


@pytest.mark.parametrize("kind", KINDS)
def test_weights_change_the_fit(kind, examples):
    train, validation = examples
    heavy = Examples(train.features, train.target, np.where(train.target, 10.0, 1.0).astype(np.float32))
    even = Examples(train.features, train.target, np.ones(len(train.target), np.float32))
    plain, weighted, same = (trainer(kind).fit(some, validation, seed=0).booster for some in (train, heavy, even))
    margin = plain.predict_margin(validation.features)
    assert weighted.predict_margin(validation.features).mean() > margin.mean() + 0.2
    assert same.predict_margin(validation.features) == pytest.approx(margin, abs=1e-3)


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"logistic"}))
def test_the_rounds_after_the_best_are_dropped(kind, examples):
    fitted = trainer(kind, max_rounds=200, early_stopping_rounds=5, learning_rate=0.3).fit(*examples, seed=0)
    curve = fitted.validation_average_precision
    assert fitted.rounds == int(np.argmax(curve)) + 1
    assert len(curve) == fitted.rounds + 5


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_told_of_rounds_may_stop_them(kind, examples):
    told = []
    fitted = trainer(kind).fit(*examples, seed=0, on_round=lambda *round_: told.append(round_) or len(told) == 3)
    assert told == list(enumerate(fitted.validation_average_precision))
    assert len(told) == (1 if kind == "logistic" else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_searched_can_be_set(kind):
    space = trainer_of(kind).search_space()
    for name, sought in space.items():
        assert sought.low < sought.high
        assert not sought.log or sought.low > 0
        for value in (sought.low, sought.high):
            changed = trainer_of(kind).with_parameters(**{name: int(value) if sought.integer else value})
            assert changed.to_dict()[name] == value
            assert changed.to_dict()["kind"] == changed.kind == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [{"no_such": 1}, {"threads": 1.5}, {"threads": "two"}, {"device": 3}])
def test_a_wrong_hyperparameter_is_named(kind, wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        trainer_of(kind).with_parameters(**wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_is_none_is_refused(kind):
    with pytest.raises(ConfigurationError, match="tpu"):
        trainer_of(kind, device="tpu")


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_that_is_not_there_is_said_before_the_work(kind):
    with pytest.raises(ConfigurationError, match="Set the device to cpu"):
        trainer_of(kind, device="cuda")


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*NATIVE}))
def test_categories_are_refused_by_who_knows_none(kind, examples):
    with pytest.raises(ConfigurationError, match="categories"):
        trainer(kind).fit(with_categories(examples[0]), examples[1], seed=0)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigurationError, match="lightgbm"):
        trainer_of("perceptron")
    with pytest.raises(BundleError, match="known are"):
        load_booster("perceptron", b"{}")
