"""A place in a word, and known distances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.features.places import NOWHERE, kilometres_between, place_words

RADIUS_KM = 6371.0088
HALF_WAY = math.pi * RADIUS_KM
PARIS, SYDNEY, NEW_YORK = (48.8566, 2.3522), (-33.8688, 151.2093), (40.7128, -74.0060)

latitudes = st.floats(-90, 90) | st.sampled_from((-90.0, -1e-7, 0.0, 1e-7, 90.0))
longitudes = st.floats(-180, 180) | st.sampled_from((-180.0, -1e-7, 0.0, 1e-7, 180.0))
places = st.tuples(latitudes, longitudes)


def word(latitude, longitude):
    words = place_words(np.array([latitude], np.float64), np.array([longitude], np.float64))
    assert words.dtype == np.int64
    return int(words[0])


def kilometres(one, other):
    return kilometres_between(word(*one), word(*other))


def unpacked(place):
    """Degrees of a word: a signed upper half and a signed lower half, in ten-millionths."""
    halves = np.array([place], np.int64).view(np.int32)
    return halves[1] / 1e7, halves[0] / 1e7


@settings(max_examples=200, deadline=None)
@given(places)
def test_a_word_keeps_a_place_to_a_ten_millionth_of_a_degree(place):
    north, east = unpacked(word(*place))
    assert abs(north - place[0]) <= 0.5001e-7
    assert abs(east - place[1]) <= 0.5001e-7


@pytest.mark.parametrize("latitude", [-90.0, -45.5, -1e-7, 0.0, 1e-7, 90.0])
@pytest.mark.parametrize("longitude", [-180.0, -0.5, -1e-7, 0.0, 1e-7, 180.0])
def test_the_edges_of_the_map_stay_apart(latitude, longitude):
    assert unpacked(word(latitude, longitude)) == (latitude, longitude)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (PARIS, SYDNEY, 16_961),
        (PARIS, NEW_YORK, 5_837),
        (SYDNEY, NEW_YORK, 15_989),
        ((0.0, 1.0), (0.0, 2.0), 111.195),
        ((51.4700, -0.4543), (33.9416, -118.4085), 8_780),
    ],
)
def test_known_distances(one, other, expected):
    """Of the ellipsoid, from which the sphere differs by up to half a per cent."""
    assert kilometres(one, other) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((90.0, 0.0), (-90.0, 0.0), HALF_WAY),
        ((90.0, -180.0), (90.0, 77.0), 0),
        ((-90.0, 12.0), (-90.0, -170.0), 0),
        ((10.0, 180.0), (10.0, -180.0), 0),
        ((0.0, 180.0), (0.0, 0.0000001), HALF_WAY),
        ((0.0, 90.0), (0.0, -90.0), HALF_WAY),
        ((0.0, 179.5), (0.0, -179.5), HALF_WAY / 180),
        ((45.0, 30.0), (-45.0, -150.0), HALF_WAY),
        ((0.0, 90.0), (90.0, 0.0), HALF_WAY / 2),
        (PARIS, PARIS, 0),
    ],
)
def test_distances_over_poles_and_the_date_line(one, other, expected):
    assert kilometres(one, other) == pytest.approx(expected, rel=1e-8, abs=1e-5)


@settings(max_examples=200, deadline=None)
@given(places, places)
def test_a_distance_is_symmetric_and_at_most_half_way_round(one, other):
    distance = kilometres(one, other)
    assert 0 <= distance <= HALF_WAY * (1 + 1e-12)
    assert distance == pytest.approx(kilometres(other, one), rel=1e-9)
    assert kilometres(one, one) == 0


@settings(max_examples=200, deadline=None)
@given(places, places)
def test_a_distance_is_that_of_the_chord(one, other):
    """The chord through the earth is known from plain geometry, which shares nothing with the haversine."""
    here, there = (_on_sphere(*unpacked(word(*place))) for place in (one, other))
    chord = math.dist(here, there)
    expected = 2 * RADIUS_KM * math.asin(min(chord / 2, 1.0))
    # Near the antipodes the arc sine turns a last bit of the chord into a metre or so.
    assert kilometres(one, other) == pytest.approx(expected, rel=1e-9, abs=0.5)


def _on_sphere(latitude, longitude):
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def test_nowhere_is_where_either_is_unknown_or_both_are_zero():
    nan = math.nan
    words = place_words(np.array([nan, 1.0, nan, 0.0, -0.0, 0.0]), np.array([1.0, nan, nan, 0.0, -0.0, 1.0]))
    assert (words == NOWHERE).tolist() == [True, True, True, True, True, False]
    assert NOWHERE == 0
    assert word(0.00000004, -0.00000004) == NOWHERE


def test_a_place_on_the_equator_or_the_meridian_is_a_place():
    assert NOWHERE not in {word(0.0, 1e-7), word(0.0, -1e-7), word(1e-7, 0.0), word(-1e-7, 0.0)}


def test_no_places_are_no_words():
    assert place_words(np.zeros(0), np.zeros(0)).size == 0
