import json

import numpy as np
import pytest

from paywarden.errors import BundleError
from paywarden.scoring.calibration import IsotonicCalibrator, PlattCalibrator, calibrator_from_dict


def test_platt_by_hand():
    score = PlattCalibrator(slope=2.0, intercept=-1.0).apply(np.array([0.5, 1.0, -400.0, 400.0]))
    assert score == pytest.approx([0.5, 0.7310585786300049, 0.0, 1.0])
    assert score.dtype == np.float64


def test_isotonic_interpolates_and_is_flat_beyond_its_knots():
    calibrator = IsotonicCalibrator(raw=(-1.0, 1.0, 2.0), probability=(0.0, 0.5, 0.9))
    assert calibrator.apply(np.array([-9.0, 0.0, 1.5, 9.0])) == pytest.approx([0.0, 0.25, 0.7, 0.9])


@pytest.mark.parametrize(
    "calibrator", [PlattCalibrator(1.3, -4.2), IsotonicCalibrator((-3.0, 0.0, 4.0), (0.0, 0.2, 1.0))]
)
def test_any_cut_into_batches_and_the_way_through_json_change_no_bit(calibrator):
    raw = np.random.default_rng(3).normal(scale=6.0, size=1001)
    read_back = calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict())))
    whole = calibrator.apply(raw)
    for size in (1, 3, 8, 250):
        cut = [read_back.apply(raw[start : start + size]) for start in range(0, len(raw), size)]
        assert np.array_equal(np.concatenate(cut), whole)
    assert (np.diff(calibrator.apply(np.sort(raw))) >= 0).all()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "pickle"},
        {"kind": "platt", "slope": 1.0},
        {"kind": "platt", "slope": 0.0, "intercept": 0.0},
        {"kind": "platt", "slope": 1.0, "intercept": 0.0, "loader_module": "os"},
        {"kind": "platt", "slope": "steep", "intercept": 0.0},
        {"kind": "isotonic", "raw": [], "probability": []},
        {"kind": "isotonic", "raw": [0.0, 0.0], "probability": [0.1, 0.2]},
        {"kind": "isotonic", "raw": [0.0, 1.0], "probability": [0.3, 0.2]},
        {"kind": "isotonic", "raw": [0.0, 1.0], "probability": [0.3, 1.2]},
    ],
)
def test_a_document_that_is_no_calibrator_is_refused(document):
    with pytest.raises(BundleError):
        calibrator_from_dict(document)
