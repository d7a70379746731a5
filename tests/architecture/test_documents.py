"""What the documents say about commands and decisions is so."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def targets():
    lines = (ROOT / "Makefile").read_text().splitlines()
    (phony,) = (line for line in lines if line.startswith(".PHONY:"))
    return set(phony.split()[1:])


def test_make_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([\w-]+) ", shown, re.MULTILINE)) == targets()


def test_documents_name_only_targets_that_exist():
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"^make ([\w-]+)|`make ([\w-]+)", document.read_text(), re.MULTILINE))
        assert {first or second for first, second in named} <= targets(), document.name


def test_every_decision_is_listed_and_has_its_sections():
    folder = ROOT / "docs" / "adr"
    records = sorted(folder.glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    listed = (folder / "README.md").read_text()
    for record in records:
        text = record.read_text()
        assert f"({record.name})" in listed
        assert re.match(rf"# {record.name[:4]}: ", text)
        assert re.search(r"^Status: (proposed|accepted|superseded by \d{4})$", text, re.MULTILINE)
        assert [line for line in text.splitlines() if line.startswith("## ")] == [
            "## Context",
            "## Decision",
            "## Consequences",
        ]
