from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from paywarden.adapters.local.manifest_files import ManifestFiles
from paywarden.errors import DataError, StreamError
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


def test_of_two_manifests_of_a_batch_the_first_is_created(files):
    other = replace(manifest(1, 4), bundle_digest="other")
    assert files.create(manifest(1, 4))
    assert not files.create(other)
    assert files.all() == [manifest(1, 4)]
    files.write(other)
    assert files.all() == [other]


@pytest.mark.parametrize("store", [ManifestFiles.write, ManifestFiles.create])
def test_a_disk_that_refuses_is_an_error_that_says_what_to_do(tmp_path, store):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StreamError, match="then start the stream again"):
        store(ManifestFiles(tmp_path / "file"), manifest(1, 4))


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


def test_all_are_listed_by_epoch_and_batch(files):
    for epoch, batch in [(10, 1), (2, 7), (2, 0), (1_000_000, 3)]:
        files.write(manifest(epoch, batch))
    assert [(found.stream_epoch, found.batch) for found in files.all()] == [(2, 0), (2, 7), (10, 1), (1_000_000, 3)]
    assert files.epochs() == [2, 10, 1_000_000]


def test_a_new_epoch_is_greater_than_all_and_given_once(files):
    assert (files.new_epoch(), files.new_epoch()) == (1, 2)
    files.write(manifest(10, 1))
    assert files.new_epoch() == 11
    assert files.new_epoch(above=40) == 41
    assert files.all() == [manifest(10, 1)]


def test_writers_at_the_same_time_get_different_epochs(files):
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: files.new_epoch(), range(64)))
    assert sorted(given) == list(range(1, 65))


def test_a_draft_is_no_manifest(files):
    files.write(manifest(1, 1))
    draft = files.root / "epoch-000002" / "000000000001.draft"
    draft.parent.mkdir()
    draft.write_text("{")
    assert files.all() == [manifest(1, 1)]
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
