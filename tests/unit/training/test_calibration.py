import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from paywarden.errors import DataError
from paywarden.scoring.calibration import IsotonicCalibrator, PlattCalibrator
from paywarden.training.calibration import fit_calibrator, fit_isotonic, fit_platt, shifted


def sample(slope, intercept, rows=40_000):
    random = np.random.default_rng(5)
    raw = random.normal(-4.0, 2.0, rows)
    return raw, random.random(rows) < expit(slope * raw + intercept)


def test_platt_finds_the_true_numbers():
    fitted = fit_platt(*sample(0.7, -0.5))
    assert fitted.slope == pytest.approx(0.7, abs=0.05)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.15)


def test_platt_agrees_with_unpenalised_logistic_regression():
    raw, target = sample(1.4, 0.3)
    fitted = fit_platt(raw, target)
    reference = LogisticRegression(C=1e9, tol=1e-10).fit(raw[:, None], target)
    # Platt's smoothed targets shrink a little; with this many frauds hardly at all.
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=5e-3)
    assert fitted.intercept == pytest.approx(reference.intercept_[0], abs=1e-2)


def test_platt_stays_finite_where_the_classes_do_not_overlap():
    fitted = fit_platt(np.array([-30.0, -20.0, 20.0, 30.0]), np.array([False, False, True, True]))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.apply(np.array([-25.0, 25.0])) == pytest.approx([0.25, 0.75], abs=0.05)  # two of each is little proof


def test_isotonic_follows_the_observed_rates():
    raw = np.repeat([-2.0, 0.0, 2.0], 100)
    target = np.concatenate([np.arange(100) < share for share in (1, 10, 60)])
    fitted = fit_isotonic(raw, target)
    assert fitted.apply(np.array([-2.0, 0.0, 2.0])) == pytest.approx([0.01, 0.10, 0.60])


def test_the_method_is_chosen_by_name():
    raw, target = sample(1.0, 0.0, 3000)
    assert isinstance(fit_calibrator("platt", raw, target), PlattCalibrator)
    assert isinstance(fit_calibrator("isotonic", raw, target), IsotonicCalibrator)


def test_one_class_or_upside_down_scores_cannot_be_calibrated():
    raw = np.arange(10.0)
    with pytest.raises(DataError, match="calibration window"):
        fit_calibrator("platt", raw, np.zeros(10, dtype=bool))
    with pytest.raises(DataError, match="do not score above"):
        fit_platt(raw, raw < 5)


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_a_weight_counts_as_so_many_equal_rows(fit):
    raw, target = sample(1.0, 0.0, 2000)
    weight = np.random.default_rng(6).integers(1, 4, len(raw))
    weighted = fit(raw, target, weight.astype(np.float32)).apply(raw)
    assert weighted == pytest.approx(fit(np.repeat(raw, weight), np.repeat(target, weight)).apply(raw), abs=1e-6)
    assert weighted != pytest.approx(fit(raw, target).apply(raw), abs=1e-3)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_shifted_calibrator_gives_what_the_first_gave_of_shifted_scores(method):
    raw, target = sample(1.4, 0.3, 3000)
    fitted = fit_calibrator(method, raw + 2.3, target)
    assert shifted(fitted, 2.3).apply(raw) == pytest.approx(fitted.apply(raw + 2.3), abs=1e-12)


def test_auto_takes_what_is_better_on_the_half_it_has_not_seen():
    raw, target = sample(1.4, 0.3)
    assert isinstance(fit_calibrator("auto", raw, target), PlattCalibrator)  # Platt's shape is the true one
    bent = np.random.default_rng(7).random(len(raw)) < np.where(
        np.abs(raw + 4.0) < 1.0, 0.3, np.where(raw > -3, 0.32, 0)
    )
    assert isinstance(fit_calibrator("auto", raw, bent), IsotonicCalibrator)
    only_early = target & (np.arange(len(raw)) < len(raw) // 2)
    assert isinstance(fit_calibrator("auto", raw, only_early), PlattCalibrator)
