import json
import math

import numpy as np
import pytest

from paywarden.errors import BundleError
from paywarden.scoring.encoding import CODE_END, IndexTable, RateTable, TargetEncoder, is_code

NAMES = ("amount", "category_code", "hour", "channel_code")
ENCODER = TargetEncoder(
    {
        "category_code": RateTable(prior=0.25, codes=(0, 7, CODE_END - 1), rates=(0.0, 0.5, 1.0)),
        "channel_code": RateTable(prior=0.125, codes=(), rates=()),
    }
)


def table(**changes):
    return RateTable(**({"prior": 0.5, "codes": (1, 2), "rates": (0.0, 1.0)} | changes))


def test_codes_become_their_rates_in_place():
    vectors = np.array([[3, 0, 1, 5], [3, 7, 1, 5], [3, CODE_END - 1, 1, 5]], dtype=np.float32)
    before = vectors.copy()
    encoded = ENCODER.apply(NAMES, vectors)
    assert encoded.tolist() == [[3, 0.0, 1, 0.125], [3, 0.5, 1, 0.125], [3, 1.0, 1, 0.125]]
    assert encoded.dtype == np.float32
    assert np.array_equal(vectors, before)  # the caller logs the codes


@pytest.mark.parametrize("code", [1, 6, 8, CODE_END, -1, 0.5, math.inf, -math.inf])
def test_an_unknown_code_has_the_prior(code):
    assert table(prior=0.25, codes=(0, 7), rates=(0.0, 1.0)).apply(np.array([code], np.float32)).tolist() == [0.25]


def test_an_absent_code_stays_absent():
    encoded = ENCODER.apply(NAMES, np.full((1, 4), np.nan, dtype=np.float32))
    assert np.isnan(encoded).all()


def test_without_a_table_the_vectors_themselves_come_back():
    vectors = np.ones((2, 4), dtype=np.float32)
    assert TargetEncoder().apply(NAMES, vectors) is vectors
    assert ENCODER.apply(("amount", "hour"), vectors) is vectors


def test_the_neighbours_of_a_row_change_nothing():
    vectors = np.random.default_rng(5).integers(0, 12, (200, 4)).astype(np.float32)
    rows = [ENCODER.apply(NAMES, vectors[row : row + 1]) for row in range(200)]
    assert np.array_equal(np.concatenate(rows), ENCODER.apply(NAMES, vectors))
    assert ENCODER.apply(NAMES, vectors[:0]).shape == (0, 4)


def test_an_encoder_survives_json():
    third = float(np.float32(1 / 3))
    encoder = TargetEncoder({"extra_browser_code": table(rates=(third, 1.0))})
    assert TargetEncoder.from_dict(json.loads(json.dumps(encoder.to_dict()))) == encoder
    assert TargetEncoder.from_dict(TargetEncoder().to_dict()) == TargetEncoder()


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": (2, 1)},
        {"codes": (1, 1)},
        {"codes": (-1, 1)},
        {"codes": (1, CODE_END)},
        {"codes": (1,)},
        {"rates": (0.0, 1.5)},
        {"rates": (-0.5, 1.0)},
        {"rates": (0.0, math.nan)},
        {"rates": (0.0, 1 / 3)},  # not a float32
        {"prior": math.nan},
    ],
)
def test_impossible_tables_are_refused(changes):
    with pytest.raises(BundleError, match="Train again"):
        table(**changes)


@pytest.mark.parametrize("entry", [None, {}, {"codes": ["x"], "prior": 0.0, "rates": [0.0]}, {"loader_module": "os"}])
def test_a_document_that_is_no_encoder_is_refused(entry):
    with pytest.raises(BundleError):
        TargetEncoder.from_dict({"tables": {"category_code": entry}})


def test_codes_are_told_by_their_name():
    assert is_code("extra_browser_code")
    assert not is_code("card_distinct_country_7d")


def test_codes_become_their_places():
    places = IndexTable((7, 0, CODE_END - 1))
    codes = np.array([0, 7, CODE_END - 1, 5, np.nan, np.inf, -np.inf, 0.5, -1], dtype=np.float32)
    assert places.apply(codes)[:3].tolist() == [1.0, 0.0, 2.0]
    assert np.isnan(places.apply(codes)[3:]).all()
    assert places.apply(codes).dtype == np.float32
    assert np.isnan(IndexTable(()).apply(codes)).all()


def test_places_survive_json():
    encoder = TargetEncoder({"extra_browser_code": IndexTable((5, 2)), "category_code": table()})
    assert TargetEncoder.from_dict(json.loads(json.dumps(encoder.to_dict()))) == encoder


@pytest.mark.parametrize("codes", [[1, 1], [-1], [CODE_END], "12x", [None]])
def test_impossible_places_are_refused(codes):
    with pytest.raises(BundleError, match=r"[Tt]rain"):
        TargetEncoder.from_dict({"tables": {"category_code": {"places_of_codes": codes}}})
