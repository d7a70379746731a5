"""Stands in for the `paywarden` command: writes down its arguments, then answers as it is told.

RECORDER_LOG is where, a JSON list a line. RECORDER_ANSWERS is a JSON object: command → [exit status, document]; a
command that is not named answers {"version": 7} and 0. RECORDER_SLEEP is the command that takes an hour, in a child
process whose number it writes to stderr first, as "process N".
"""

import json
import os
import subprocess
import sys
from pathlib import Path

arguments = sys.argv[1:]
with Path(os.environ["RECORDER_LOG"]).open("a") as log:
    log.write(json.dumps(arguments) + "\n")
words = " ".join(argument for argument in arguments if argument.isalpha())
status, document = json.loads(os.environ.get("RECORDER_ANSWERS", "{}")).get(words, [0, {"version": 7}])
secrets = sorted(name for name in os.environ if name.startswith("AIRFLOW") or "WEBHOOK" in name)
sys.stderr.write(f"{words} is under way; it was given {secrets}\n")
if words == os.environ.get("RECORDER_SLEEP"):
    child = subprocess.Popen(["sleep", "3600"])
    sys.stderr.write(f"process {child.pid}\n")
    child.wait()
print("a line that is no result")  # noqa: T201
print(json.dumps(document))  # noqa: T201
sys.exit(status)
