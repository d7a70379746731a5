"""A version in the registry, and the tags by which Paywarden knows its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paywarden.errors import BundleError
from paywarden.scoring.bundle import ModelBundle

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

DIGEST_TAG: Final = "paywarden.bundle_digest"
EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
_LAYOUT_TAG: Final = "paywarden.state_layout_digest"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry: its number, its bundle's digest, its run, its aliases, its creation (epoch ms).

    ``state_layout_digest`` names the state that it needs, as `paywarden state show` lists them.
    """

    version: int
    bundle_digest: str
    state_layout_digest: str
    run_id: str
    aliases: tuple[str, ...]
    created_at: int
    tags: Mapping[str, str]


def version_tags(bundle: ModelBundle, tags: Mapping[str, str] | None) -> dict[str, str]:
    """The tags of a bundle's run and version, the caller's among them."""
    own = {
        DIGEST_TAG: bundle.digest,
        "paywarden.contract_digest": bundle.contract_digest,
        "paywarden.policy_digest": bundle.policy.digest,
        _LAYOUT_TAG: bundle.state_layout_digest,
    }
    return {**(tags or {}), **own}


def registered(version: ModelVersion) -> RegisteredVersion:
    """MLflow's version as ours. Raises BundleError for one that Paywarden did not register."""
    tags = dict(version.tags)
    if DIGEST_TAG not in tags:
        raise BundleError(
            f"Version {version.version} of {version.name!r} was not registered by Paywarden: no tag {DIGEST_TAG}. "
            "Put the alias on a version that `paywarden train` registered."
        )
    return RegisteredVersion(
        version=int(version.version),
        bundle_digest=tags[DIGEST_TAG],
        state_layout_digest=tags.get(_LAYOUT_TAG, ""),
        run_id=str(version.run_id),
        aliases=tuple(sorted(version.aliases)),
        created_at=int(version.creation_timestamp),
        tags=tags,
    )
