"""Lists and rules: the policy file in force, and for the stream the books that manifests name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paywarden.adapters.local.rule_book_files import RuleBookFiles
from paywarden.errors import PaywardenError
from paywarden.jobs.live_rules import LiveRules, in_force
from paywarden.jobs.serving import ServedModel
from paywarden.jobs.stream_rules import StreamRules
from paywarden.scoring.rules.ruling import fields_of
from paywarden.settings import Settings
from paywarden.wiring.declarations import event_schema


def live_rules(settings: Settings, say: Callable[[str], None], warn: Callable[[str], None]) -> LiveRules:
    """The rule book of the settings' policy file. Raises ConfigurationError where it is wrong."""
    return LiveRules(settings.policy.file, _fields(settings), say, warn)


def stream_rules(
    settings: Settings,
    champion: Callable[[], ServedModel],
    warn: Callable[[str], None],
    say: Callable[[str], None],
) -> StreamRules:
    """The rules of the policy file for a stream; books are kept beside its manifests.

    Raises ConfigurationError where the file is wrong, or reads a feature that the champion has not.
    """
    live = live_rules(settings, say, warn)
    if live.current.features:
        live.current.require(_fields(settings), _features(champion))
    if live.current:
        say(in_force(live.current))
    return StreamRules(live, RuleBookFiles(settings.stream.manifests / "policies"), warn)


def _fields(settings: Settings) -> Sequence[str]:
    return fields_of(event_schema(settings).transaction_schema())


def _features(champion: Callable[[], ServedModel]) -> Sequence[str] | None:
    """The champion's features; None while there is no telling, which the stream itself sees to."""
    try:
        return champion().engine.catalogue.names
    except PaywardenError:
        return None
