"""The stream's lists and rules: the policy file in force, and the books that manifests name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paywarden.adapters.local.rule_book_files import RuleBookFiles
from paywarden.errors import PaywardenError
from paywarden.events.schema import EventSchema
from paywarden.jobs.live_rules import LiveRules, in_force
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.stream_rules import StreamRules
from paywarden.scoring.rules.ruling import fields_of


def stream_rules(
    policy: Path | None,
    manifests: Path,
    schema: EventSchema,
    champion: Callable[[], ServedModel],
    warn: Callable[[str], None],
    say: Callable[[str], None],
) -> StreamRules:
    """The rules of a policy file for a stream; books are kept beside its manifests.

    Raises ConfigurationError where the file is wrong, or reads a feature that the champion has not.
    """
    fields = fields_of(schema.transaction_schema())
    live = LiveRules(policy, fields, say, warn)
    if live.current.features:
        live.current.require(fields, _features(champion))
    if live.current:
        say(in_force(live.current))
    return StreamRules(live, RuleBookFiles(manifests / "policies"), warn)


def _features(champion: Callable[[], ServedModel]) -> Sequence[str] | None:
    """The champion's features; None while there is no telling, which the stream itself sees to."""
    try:
        return champion().engine.catalogue.names
    except PaywardenError:
        return None
