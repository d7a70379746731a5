"""What OpenAPI promises holds, for whatever fits it and for much that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFIG = """
# Of what fits the document some breaks a rule that no JSON Schema can say: a card number, a rate that is missing.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "409", "422"]
"""


def test_schemathesis_finds_nothing(start, tmp_path):
    api = start(transactions_per_second=1e6, burst=1_000_000)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(tmp_path / "schemathesis.toml"),
        "run", f"{api.client.base_url}/openapi.json", "--header", f"Authorization: Bearer {api.key}",
        "--max-examples", "20", "--seed", "1", "--generation-deterministic",
        "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=400)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    assert "No issues found" in found.stdout
