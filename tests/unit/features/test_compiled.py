"""The compiled cache must notice a change in another file of the room than the one that was compiled."""

import importlib
import shutil
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from paywarden.features import compiled, kernel

INNER = "from room.compiled import compiled\n\n\n@compiled\ndef inner(x):\n    return x + {number}\n"
OUTER = (
    "from room.compiled import compiled\nfrom room.inner import inner\n\n\n"
    "@compiled\ndef outer(x):\n    return inner(x)\n"
)


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package with a compiled function that calls one of another file, imported anew at every call."""
    folder = tmp_path / "room"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "outer.py").write_text(OUTER)
    shutil.copy(compiled.__file__, folder)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def call(number):
        (folder / "inner.py").write_text(INNER.format(number=number))
        for name in [name for name in sys.modules if name.partition(".")[0] == "room"]:
            del sys.modules[name]
        outer = importlib.import_module("room.outer").outer
        return outer(1), sum(outer.stats.cache_hits.values())

    yield call
    for name in [name for name in sys.modules if name.partition(".")[0] == "room"]:
        del sys.modules[name]


def test_a_change_in_what_is_called_compiles_the_caller_again(room):
    assert room(10) == (11, 0)
    assert room(10) == (11, 1)
    assert room(20) == (21, 0)


def test_the_stamp_covers_every_source_of_the_room(monkeypatch, tmp_path):
    for source in Path(compiled.__file__).parent.glob("*.py"):
        shutil.copy(source, tmp_path)
    monkeypatch.setattr(compiled, "files", lambda _: tmp_path)
    assert compiled._digest_of_sources() == compiled.SOURCES
    for source in tmp_path.glob("*.py"):
        text = source.read_text()
        source.write_text(text + "#")
        assert compiled._digest_of_sources() != compiled.SOURCES, source.name
        source.write_text(text)


@pytest.mark.parametrize("function", [kernel.fold_events, kernel._fold], ids=["whole", "loop"])
def test_the_kernel_is_stamped_with_it(function):
    assert function._cache._cache_file._source_stamp == compiled.SOURCES


def test_what_is_uncounted_counts_no_references():
    """Were numba to forget its private option, the values would stay and the speed would go, in silence."""

    def total(rows):
        found = 0
        for row in rows:
            found += row[0]
        return found

    rows = np.arange(6).reshape(3, 2)
    for compile_, counts in ((numba.njit, True), (numba.njit(_nrt=False), False)):
        function = compile_(total)
        assert function(rows) == 6
        assert any("NRT_" in code for code in function.inspect_llvm().values()) == counts
    # What comes from the cache cannot be inspected, so that of these only what they were compiled with is seen.
    assert compiled.uncounted(total)(rows) == 6
    assert kernel._fold.targetoptions["_nrt"] is False
