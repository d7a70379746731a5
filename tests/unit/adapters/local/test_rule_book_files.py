import pytest

from paywarden.adapters.local.rule_book_files import RuleBookFiles
from paywarden.errors import DataError, StreamError
from paywarden.scoring.rules.policy_file import rule_book

BOOK = rule_book(
    {
        "lists": [{"name": "s", "action": "block", "field": "card", "entries": ["a", "é\u2028"]}],
        "rules": [{"name": "r", "when": "score > 0.5", "then": "review", "shadow": True}],
    }
)


@pytest.fixture
def files(tmp_path):
    return RuleBookFiles(tmp_path / "policies")


def test_a_kept_book_is_read_by_its_digest(files):
    files.keep(BOOK)
    files.keep(BOOK)
    assert files.read(BOOK.digest) == BOOK
    assert [path.name for path in files.root.iterdir()] == [f"{BOOK.digest}.json"]
    assert files.read("0" * 64) is None


def test_an_altered_book_is_refused_and_mended_when_it_is_kept_again(files):
    files.keep(BOOK)
    path = files.root / f"{BOOK.digest}.json"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(DataError, match="was altered"):
        files.read(BOOK.digest)
    files.keep(BOOK)
    assert files.read(BOOK.digest) == BOOK


def test_a_place_that_cannot_be_written_is_told(files):
    files.root.write_text("a file where the directory should be")
    with pytest.raises(StreamError, match="nothing is lost"):
        files.keep(BOOK)
