"""`make test` runs every folder of tests but those that have a target of their own."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"tests/faults"}


def test_no_folder_of_tests_is_forgotten():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    folders = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").glob("*/**/test_*.py")}
    named = set(options["testpaths"])
    assert {f"tests/{folder}" for folder in folders} - ELSEWHERE <= named
    assert not named & ELSEWHERE
