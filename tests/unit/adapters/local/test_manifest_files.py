import pytest

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.errors import DataError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag


@pytest.fixture
def files(tmp_path):
    return ManifestFiles(tmp_path / "manifests")


def manifest(epoch, batch):
    ranges = (OffsetRange("labels", 0, 0, batch), OffsetRange("transactions", 1, 2 * batch, 2 * batch + 2))
    return BatchManifest(epoch, batch, ranges, "layout", "3", "digest", "policy")


def test_a_manifest_reads_back_equal(files):
    files.write(manifest(1, 4))
    assert files.read(BatchTag(1, 4)) == manifest(1, 4)


def test_a_state_build_has_no_model(files):
    build = BatchManifest(2, 0, (OffsetRange("transactions", 0, 0, 9),), "layout")
    files.write(build)
    assert files.read(BatchTag(2, 0)) == build


@pytest.mark.parametrize("tag", [BatchTag(1, 5), BatchTag(2, 4)])
def test_what_was_not_written_is_none(files, tag):
    assert files.read(tag) is None
    files.write(manifest(1, 4))
    assert files.read(tag) is None


def test_an_epoch_is_listed_by_batch(files):
    for epoch, batch in [(1, 10), (1, 2), (2, 1), (1, 9)]:
        files.write(manifest(epoch, batch))
    assert [found.batch for found in files.of_epoch(1)] == [2, 9, 10]
    assert files.of_epoch(3) == []


def test_the_latest_epoch_is_the_greatest_number(files):
    assert files.latest_epoch() == 0
    for epoch in (2, 10, 9, 1_000_000):
        files.write(manifest(epoch, 1))
    assert files.latest_epoch() == 1_000_000


def test_an_epoch_whose_write_never_finished_does_not_count(files):
    files.write(manifest(1, 1))
    draft = files.root / "epoch-000002" / "000000000001.draft"
    draft.parent.mkdir()
    draft.write_text("{")
    assert files.latest_epoch() == 1
    assert files.of_epoch(2) == []


def test_writing_again_replaces_it_and_leaves_nothing_beside(files):
    files.write(manifest(1, 1))
    files.write(manifest(1, 1))
    assert [path.name for path in (files.root / "epoch-000001").iterdir()] == ["000000000001.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ranges": []}', '{"ranges": [{"no": 1}]}', "\x00"])
def test_a_damaged_file_is_named_with_the_remedy(files, text):
    files.write(manifest(1, 1))
    path = next((files.root / "epoch-000001").iterdir())
    path.write_text(text)
    with pytest.raises(DataError, match=r"000000000001\.json .*restore it"):
        files.read(BatchTag(1, 1))


def test_a_failed_write_leaves_the_former_manifest(files, monkeypatch):
    files.write(manifest(1, 1))
    monkeypatch.setattr(BatchManifest, "to_json", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write(manifest(1, 1))
    assert files.read(BatchTag(1, 1)) == manifest(1, 1)
