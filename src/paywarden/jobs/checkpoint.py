"""A checkpoint that was lost or torn is mended from the manifests, which say what every batch read.

Guarantee: the stream goes on with the batch that was planned last, under its manifest. That batch may have been
delivered already: it then gives the same decisions again, and the state stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from paywarden.errors import StreamError
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import Manifests


class Checkpoint(Protocol):
    """What the streaming engine noted of its batches; numbers are the engine's, from 0 on."""

    def last_planned(self) -> int | None:
        """The newest batch, None where nothing is noted."""

    def torn_plan(self) -> int | None:
        """The newest batch, where what it reads cannot be told."""

    def torn_commit(self) -> int | None:
        """The batch that ended last, where that note cannot be read."""

    def forget_commit(self, batch_id: int) -> None:
        """Have the batch run again."""

    def forget_plan(self, batch_id: int) -> None:
        """Have the batch planned anew."""

    def plan(self, batch_id: int, ranges: Sequence[OffsetRange]) -> None:
        """Have the batch run over these offsets."""


def last_planned(
    stream_epoch: int, current: BatchTag | None, first_batch: int, manifests: Manifests
) -> BatchManifest | None:
    """The newest manifest of a batch in an epoch whose state has begun ``current``; None where there is none."""
    begun = current.batch if current and current.stream_epoch == stream_epoch else first_batch - 1
    for batch in (begun + 1, begun):
        found = manifests.read(BatchTag(stream_epoch, batch))
        if found and found.bundle_digest:
            return found
    return None


def mend(
    checkpoint: Checkpoint,
    stream_epoch: int,
    first_batch: int,
    current: BatchTag | None,
    manifests: Manifests,
    warn: Callable[[str], None],
) -> None:
    """Make the checkpoint whole, saying what was wrong and from where the stream goes on.

    Raises StreamError where it is lost and no manifest says where the stream was.
    """
    if checkpoint.last_planned() is None:
        _restore(checkpoint, last_planned(stream_epoch, current, first_batch, manifests), first_batch, warn)
        return
    torn = checkpoint.torn_plan()
    if torn is not None:
        manifest = manifests.read(BatchTag(stream_epoch, torn + 1))
        if manifest is None:
            checkpoint.forget_plan(torn)
            warn(f"the checkpoint's last file of offsets was torn; batch {torn + 1} had not begun and is planned anew")
        else:
            checkpoint.plan(torn, manifest.ranges)
            warn(f"the checkpoint's last file of offsets was torn; batch {torn + 1} is as its manifest says")
    torn = checkpoint.torn_commit()
    if torn is not None:
        checkpoint.forget_commit(torn)
        warn(f"the checkpoint's last commit was torn; batch {torn + 1} is run again, under its manifest")


def _restore(
    checkpoint: Checkpoint, planned: BatchManifest | None, first_batch: int, warn: Callable[[str], None]
) -> None:
    if planned is not None:
        checkpoint.plan(planned.batch - 1, planned.ranges)
        warn(
            f"the checkpoint was gone and is restored from the manifests: the stream goes on with batch "
            f"{planned.batch} of epoch {planned.stream_epoch}, from {_places(planned.ranges)}"
        )
    elif first_batch > 1:
        raise StreamError(
            "the checkpoint is gone, and no manifest says where the stream was; restore one of the two, or start a new "
            "epoch with `paywarden state build`"
        )


def _places(ranges: Sequence[OffsetRange]) -> str:
    return ", ".join(f"{span.topic}/{span.partition} at {span.start:,}" for span in sorted(ranges))
