import pytest

from paywarden.features import windows
from paywarden.features.windows import DAY_MS, HOUR_MS, MINUTE_MS, VELOCITY_WINDOWS, Window


@pytest.mark.parametrize(
    ("window", "tiles", "duration_ms"),
    [
        (windows.FIVE_MINUTES, 5, 5 * MINUTE_MS),
        (windows.HOUR, 6, HOUR_MS),
        (windows.DAY, 8, DAY_MS),
        (windows.WEEK, 7, 7 * DAY_MS),
        (windows.MONTH, 30, 30 * DAY_MS),
    ],
)
def test_the_core_windows(window, tiles, duration_ms):
    assert (window.tiles, window.duration_ms) == (tiles, duration_ms)
    assert window in VELOCITY_WINDOWS


@pytest.mark.parametrize(("duration_ms", "tile_ms"), [(10, 3), (10, 0), (10, -5), (3, 10)])
def test_a_window_is_a_whole_number_of_tiles(duration_ms, tile_ms):
    with pytest.raises(ValueError, match=rf"window w: {duration_ms} ms is not a whole number of {tile_ms} ms tiles"):
        Window(duration_ms, tile_ms, "w")


def test_a_window_of_no_length_is_refused():
    with pytest.raises(ValueError, match="window w"):
        Window(0, 10, "w")
