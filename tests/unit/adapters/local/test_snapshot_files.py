import json

import numpy as np
import pyarrow as pa
import pytest

from paywarden.adapters.local import snapshot_files
from paywarden.adapters.local.snapshot_files import SnapshotFiles
from paywarden.errors import DataError
from paywarden.features.replay import EntityStates
from paywarden.features.snapshot import Snapshot


def made(seed=1, until=7):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(5, 3)).astype(np.float32)
    features[0, 0] = np.nan
    pairs = pa.array([bytes([seed] * 16)], pa.binary(16))
    states = {
        "routing": EntityStates(pa.array(["a", "é"]), rng.integers(0, 9, (2, 4))),
        "card_merchant": EntityStates(pairs, rng.integers(0, 9, (1, 2))),
    }
    return Snapshot("r" * 64, until, f"{seed}" * 64, features, np.zeros(6, np.int8), states)


def assert_same(found, expected):
    assert (found.recipe, found.until, found.content) == (expected.recipe, expected.until, expected.content)
    assert np.array_equal(found.features, expected.features, equal_nan=True)
    assert np.array_equal(found.verdicts, expected.verdicts)
    assert list(found.states) == list(expected.states)
    for record, held in expected.states.items():
        assert found.states[record].keys.equals(held.keys)
        assert np.array_equal(found.states[record].states, held.states)


@pytest.fixture
def files(tmp_path):
    return SnapshotFiles(tmp_path / "snapshots")


def test_what_is_saved_is_loaded_and_only_the_last_is_kept(files):
    assert files.load() is None
    files.save(made(1))
    assert_same(files.load(), made(1))
    files.save(made(2))
    files.save(made(2))  # the same again
    assert_same(files.load(), made(2))
    assert len([path for path in files.root.iterdir() if path.is_dir()]) == 1


@pytest.mark.parametrize("step", ["_write", "replace_durably", "_sha256"])
def test_a_save_that_is_killed_leaves_the_one_before(files, monkeypatch, step):
    files.save(made(1))

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(snapshot_files, step, killed)
        with pytest.raises(KeyboardInterrupt):
            files.save(made(2))
    assert_same(files.load(), made(1))
    files.save(made(3))
    assert_same(files.load(), made(3))
    assert len([path for path in files.root.iterdir() if path.is_dir()]) == 1


def test_any_damage_is_seen(files):
    files.save(made())
    directory = next(path for path in files.root.iterdir() if path.is_dir())
    for path in sorted(directory.iterdir()):
        whole = path.read_bytes()
        for broken in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
            path.write_bytes(broken)
            with pytest.raises(DataError, match="everything is replayed"):
                files.load()
        path.unlink()
        with pytest.raises(DataError, match="damaged"):
            files.load()
        path.write_bytes(whole)
    assert_same(files.load(), made())


@pytest.mark.parametrize("change", [{"format": 99}, {"files": {}}, {"records": ["a"] * 9}])
def test_another_format_is_refused(files, change):
    files.save(made())
    path = files.root / "current.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="another version"):
        files.load()
    path.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        files.load()


def test_pickled_objects_are_never_loaded(files):
    files.save(made())
    directory = next(path for path in files.root.iterdir() if path.is_dir())
    np.save(directory / "verdicts.npy", np.array([{}], dtype=object), allow_pickle=True)
    path = files.root / "current.json"
    current = json.loads(path.read_text())
    current["files"]["verdicts.npy"] = snapshot_files._sha256(directory / "verdicts.npy")
    path.write_text(json.dumps(current))
    with pytest.raises(DataError, match="pickle"):
        files.load()
