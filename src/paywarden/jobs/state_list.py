"""The states of a deployment: what there is, which one is live, and the removal of old ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paywarden.errors import StateStoreError
from paywarden.features.catalogue import Catalogue
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag, StoreStats
from paywarden.jobs.epochs import Manifests, OpenState, StateEpochs, newest_manifest
from paywarden.jobs.stream_identity import StreamIdentity


@dataclass(frozen=True)
class ListedState:
    """One state: its layout, whether the stream is on it, and what it holds.

    ``features`` counts those of the catalogue that it was made for (None where that is not known); ``stands`` says how
    many records of each topic it covers; ``problem`` why it cannot serve.
    """

    layout: str
    live: bool
    features: int | None
    current: BatchTag | None
    stands: Mapping[str, int]
    sizes: Sequence[StoreStats]
    problem: str | None = None


def list_states(epochs: StateEpochs, manifests: Manifests, identity: StreamIdentity | None) -> list[ListedState]:
    """Every state there is, the live one first; nothing is made or changed by looking."""
    found = [_listed(epochs, manifests, layout, identity) for layout in epochs.layouts()]
    return sorted(found, key=lambda state: (not state.live, state.layout))


def drop_state(epochs: StateEpochs, identity: StreamIdentity | None, prefix: str, owner: str, *, takeover: bool) -> str:
    """Remove the state whose layout begins with ``prefix``; its layout.

    Raises StateStoreError for the one that the stream is on, for none, and for several; LeaseHeld for one that is
    being written.
    """
    matching = [layout for layout in epochs.layouts() if layout.startswith(prefix)]
    if len(matching) != 1 or not prefix:
        raise StateStoreError(
            f"{len(matching)} states have a layout that begins with {prefix!r}; `paywarden state show` lists them"
        )
    (layout,) = matching
    if identity and identity.layout == layout:
        raise StateStoreError(
            f"the stream is on the state of layout {layout[:16]}; promote a model with another one first, and let the "
            "stream go over to it"
        )
    state = OpenState.take(epochs, layout, owner, takeover=takeover)
    state.store.close()  # the lease is kept: nobody shall write what is being removed
    epochs.remove(layout)
    return layout


def _listed(epochs: StateEpochs, manifests: Manifests, layout: str, identity: StreamIdentity | None) -> ListedState:
    live, features = identity is not None and identity.layout == layout, _features(epochs.noted(layout))
    try:
        store = (epochs.find(layout) or epochs.recipe(layout))()
    except StateStoreError as error:
        return ListedState(layout, live, features, None, {}, (), str(error))
    try:
        current = store.current()
        sizes = store.stats()
        try:
            newest = newest_manifest(layout, current, manifests)
        except StateStoreError as error:
            return ListedState(layout, live, features, current, {}, sizes, str(error))
    finally:
        store.close()
    return ListedState(layout, live, features, current, _stands(newest), sizes)


def _stands(manifest: BatchManifest) -> dict[str, int]:
    """How many records of each topic come before where a manifest ends."""
    ends: dict[str, int] = {}
    for span in manifest.ranges:
        ends[span.topic] = ends.get(span.topic, 0) + span.end
    return ends


def _features(definition: str | None) -> int | None:
    try:
        return len(Catalogue.from_dict(json.loads(definition)).names) if definition else None
    except (KeyError, TypeError, ValueError):
        return None
