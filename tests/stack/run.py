"""The system test: the whole platform from nothing, from payments in Kafka to a newly served model, and gone again.

    make stack-test                                  every step (ARGS="--profile small" without the Spark cluster)
    make stack-test ARGS="--keep"                    leaves the platform up for a look
    make stack-test ARGS="--from 9 --keep"           goes on with step 9 on a platform that was left up
    make stack-test ARGS="--without grafana"         where its image cannot be had; the output says so

It fails where Docker or an image cannot be had: it never leaves anything out that it was not told to.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time

from memory import MemoryWatch
from steps import Steps

from stack import LEFT_OUT, PROJECT, Stack, StackError


def main() -> int:
    """0 where every step held."""
    arguments = _arguments()
    if not _docker_answers():
        print("Docker cannot be reached: install it, or start its engine; this test needs it.", file=sys.stderr)
        return 1
    stack = Stack()
    try:
        stack.resume() if arguments.begin > 1 else stack.begin(arguments.profile, arguments.without)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    for service in stack.variables[LEFT_OUT].split():
        print(f"left out, as --without says: {service}", flush=True)
    memory = MemoryWatch()
    memory.start()
    failed = not _steps_hold(Steps(stack), arguments.begin)
    memory.stop()
    print("peak memory", *memory.lines(), sep="\n  ", flush=True)
    if arguments.keep:
        print(f"the platform is left up; take it down with: docker compose -p {PROJECT} down -v")
        return int(failed)
    return int(failed or not _is_gone(stack, failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=["small", "full"], default="full")
    parser.add_argument("--without", action="append", default=[], choices=["grafana"], help="leave a service out")
    parser.add_argument("--keep", action="store_true", help="leave the platform up")
    parser.add_argument(
        "--from", dest="begin", type=int, default=1, metavar="STEP", help="begin here, on a platform that was left up"
    )
    return parser.parse_args()


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _steps_hold(test: Steps, begin: int) -> bool:
    """Whether every step held, the first that does not being the last; how long each took is said at the end."""
    took: list[str] = []
    steps = test.all()
    for number, (name, step) in enumerate(steps, 1):
        if number < begin:
            continue
        print(f"[{time.monotonic() - test.began:6.0f} s] {number}/{len(steps)} {name}", flush=True)
        began = time.monotonic()
        try:
            step()
        except StackError as error:
            print(f"FAILED: {number}/{len(steps)} {name}\n{error}", file=sys.stderr, flush=True)
            return False
        took.append(f"{time.monotonic() - began:6.0f} s  {number}. {name}")
    print("seconds", *took, f"{time.monotonic() - test.began:6.0f} s  in all", sep="\n  ", flush=True)
    return True


def _is_gone(stack: Stack, failed: bool) -> bool:
    """Whether nothing of the platform is left; the end of its logs is shown where the test has failed."""
    if failed:
        subprocess.run(["docker", "compose", "-p", PROJECT, "logs", "--tail", "40"], check=False)
    stack.take_down()
    left = stack.left_behind()
    if left:
        print(f"FAILED: left behind: {left}", file=sys.stderr)
    print("failed" if failed or left else "all steps passed; all gone")
    return not left


if __name__ == "__main__":
    sys.exit(main())
