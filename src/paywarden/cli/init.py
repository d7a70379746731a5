"""`paywarden init`: secrets for the Compose stack."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from paywarden import wiring
from paywarden.cli.console import out
from paywarden.errors import ConfigurationError
from paywarden.jobs.stack_environment import environment_text


class Profile(StrEnum):
    """How much of the stack runs."""

    small = "small"
    full = "full"


def init(
    file: Annotated[Path, typer.Option(help="The file of variables that compose.yaml reads.")] = Path(
        "deploy/compose/.env"
    ),
    profile: Annotated[
        Profile | None, typer.Option(help="small (8 GB) or full, with a Spark cluster and Flower [default: small].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make all secrets anew; databases keep the old ones.")] = False,
) -> None:
    """Write generated passwords, keys and ids for the Compose stack, readable by you alone.

    What the file already says stays; only what is missing is added, so that it can be run after every upgrade.

    Example: [bold]paywarden init --profile full[/]
    """
    if not file.parent.is_dir():
        raise ConfigurationError(f"there is no directory {file.parent}; run this in the repository, or give --file")
    existing = file.read_text() if file.exists() and not force else ""
    text, changed = environment_text(existing, secrets.token_bytes, profile.value if profile else None)
    wiring.write_privately(file, text)
    said = f"{len(changed)} variable(s) written" if changed else "nothing was missing"
    out.print(f"{file}: {said}", highlight=False, soft_wrap=True)
