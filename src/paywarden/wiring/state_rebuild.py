"""What `paywarden state rebuild` is given."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from paywarden import wiring
from paywarden.adapters.spark.checkpoint import last_commit
from paywarden.errors import StateStoreError
from paywarden.jobs.archive import archive_beside_others
from paywarden.jobs.state_rebuild import Rebuilt, folded_manifests, rebuild_state, require_archived
from paywarden.jobs.training_data import read_history
from paywarden.settings import Settings
from paywarden.wiring.online_states import identity_of


def rebuild_online_state(
    settings: Settings, *, takeover: bool = False, say: Callable[[str], None] = lambda _text: None
) -> Rebuilt:
    """The state of the stream's own layout, made again from the lake at the batch where its checkpoint stands.

    What Kafka holds and the lake does not is archived first. Raises StateStoreError where there is no stream to rebuild
    for, LeaseHeld where one holds the state.
    """
    identity = identity_of(settings)
    if identity is None:
        raise StateStoreError(
            f"no stream has begun in {wiring.stream_directory(settings)}, so no state can be made again; "
            "`paywarden state build` makes a new one"
        )
    committed = last_commit(wiring.stream_directory(settings) / "checkpoint")
    # Spark counts batches from 0, manifests from 1.
    folded = folded_manifests(wiring.manifests(settings).all(), identity, None if committed is None else committed + 1)
    topics, stored = settings.kafka.topics, wiring.lake(settings)
    say("archiving what Kafka has and the lake has not")
    archive_beside_others(wiring.kafka_source(settings), stored, wiring.archive_columns(settings))
    ends = {t: stored.next_offsets(t, settings.kafka.partitions) for t in (topics.transactions, topics.labels)}
    require_archived(folded, ends)
    served = wiring.serving_models(settings, say).exact(identity.bundle_version, identity.bundle_digest)
    return rebuild_state(
        wiring.state_epochs(settings),
        identity,
        folded,
        served.engine,
        read_history(stored, topics.transactions, topics.labels),
        uuid.uuid4().hex,
        takeover=takeover,
        say=say,
    )
