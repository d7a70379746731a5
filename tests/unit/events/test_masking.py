import pytest

from paywarden.events.masking import masked


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("", "••••"),
        ("ab12", "••••"),
        ("card-042", "•••• 42"),
        ("card-0042", "•••• 0042"),
        ("4111111111111111", "•••• 1111"),
    ],
)
def test_at_most_the_end_of_a_token_is_shown(token, shown):
    assert masked(token) == shown
