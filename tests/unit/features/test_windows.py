import pytest

from paywarden.features import windows
from paywarden.features.windows import CORE_WINDOWS, DAY_MS, HOUR_MS, MINUTE_MS, VELOCITY_WINDOWS, Window


@pytest.mark.parametrize(
    ("window", "tiles", "duration_ms"),
    [
        (windows.FIVE_MINUTES, 5, 5 * MINUTE_MS),
        (windows.HOUR, 6, HOUR_MS),
        (windows.SIX_HOURS, 6, 6 * HOUR_MS),
        (windows.DAY, 8, DAY_MS),
        (windows.WEEK, 7, 7 * DAY_MS),
        (windows.MONTH, 10, 30 * DAY_MS),
    ],
)
def test_the_windows_of_velocities(window, tiles, duration_ms):
    assert (window.tiles, window.duration_ms) == (tiles, duration_ms)
    assert window in VELOCITY_WINDOWS


def test_the_core_has_the_velocities_but_six_hours():
    assert set(VELOCITY_WINDOWS) - set(CORE_WINDOWS) == {windows.SIX_HOURS}
    assert list(VELOCITY_WINDOWS) == sorted(VELOCITY_WINDOWS)


def test_what_is_asked_about_once_a_transaction_is_remembered_for_a_quarter():
    assert (windows.QUARTER.tiles, windows.QUARTER.duration_ms, windows.QUARTER.name) == (2, 90 * DAY_MS, "90d")


@pytest.mark.parametrize(("duration_ms", "tile_ms"), [(10, 3), (10, 0), (10, -5), (3, 10)])
def test_a_window_is_a_whole_number_of_tiles(duration_ms, tile_ms):
    with pytest.raises(ValueError, match=rf"window w: {duration_ms} ms is not a whole number of {tile_ms} ms tiles"):
        Window(duration_ms, tile_ms, "w")


def test_a_window_of_no_length_is_refused():
    with pytest.raises(ValueError, match="window w"):
        Window(0, 10, "w")
