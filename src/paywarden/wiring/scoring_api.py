"""What the scoring API is made of, from settings."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from paywarden import wiring
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local.key_file import KeyFile
from paywarden.adapters.state.lmdb_answers import LmdbAnswers
from paywarden.clock import Clock, system_clock
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.features.windows import DAY_MS, HOUR_MS
from paywarden.jobs.answer import Answering, Fallback
from paywarden.jobs.api_keys import ApiKey, create_key, revoke_key
from paywarden.jobs.live_model import LiveModels
from paywarden.jobs.live_rules import LiveRules
from paywarden.jobs.serving import ServingModels
from paywarden.settings import Settings
from paywarden.wiring.stream_rules import live_rules


@dataclass(frozen=True)
class ScoringParts:
    """What one worker of the API works with."""

    settings: Settings
    schema: EventSchema
    models: LiveModels
    rules: LiveRules
    answering: Answering
    answers: LmdbAnswers
    keys: KeyFile[ApiKey]
    sink: Callable[[], KafkaEventProducer]
    publisher_lock: Path
    clock: Clock

    def refresh_rules(self) -> None:
        """Take up another policy file, if it is right for the model that answers."""
        live = self.models.current
        self.rules.refresh(live.served.engine.catalogue.names if live else None)


@contextmanager
def scoring_parts(
    settings: Settings, warn: Callable[[str], None], clock: Clock = system_clock
) -> Iterator[ScoringParts]:
    """A worker's parts; nothing of the network is touched before they are used."""
    api = settings.api
    rules = live_rules(settings, warn, warn)
    api.directory.mkdir(parents=True, exist_ok=True)
    served = ServingModels(wiring.registry(settings), wiring.event_schema(settings), api.directory / "bundles", warn)
    models = LiveModels(
        served,
        wiring.state_epochs(settings),
        wiring.manifests(settings).written_at,
        wiring.event_schema(settings),
        warn,
        clock,
    )
    answers = LmdbAnswers(api.directory / "answers", int(api.answers_hours * HOUR_MS))
    answering = Answering(
        wiring.event_schema(settings),
        wiring.currency_table(settings),
        DEFAULT_LIMITS,
        models,
        Fallback(api.approve_up_to, api.above),
        clock,
        lambda: rules.current,
    )
    try:
        yield ScoringParts(
            settings,
            wiring.event_schema(settings),
            models,
            rules,
            answering,
            answers,
            key_file(settings),
            lambda: wiring.kafka_sink(settings),
            api.directory / "publisher.lock",
            clock,
        )
    finally:
        models.close()
        answers.close()


def key_file(settings: Settings) -> KeyFile[ApiKey]:
    """The keys of the scoring API."""
    return KeyFile(settings.api.keys, asdict, lambda item: ApiKey(**{**item, "scopes": tuple(item["scopes"])}))


def new_api_key(
    settings: Settings,
    name: str,
    scopes: list[str],
    *,
    days: float | None,
    replaces: str | None,
    overlap_days: float,
) -> tuple[ApiKey, str]:
    """A new key and its text, which cannot be had again."""
    return create_key(
        key_file(settings),
        name,
        scopes,
        now_ms=system_clock(),
        lives_ms=None if days is None else int(days * DAY_MS),
        random_hex=secrets.token_hex,
        random_text=secrets.token_urlsafe,
        replaces=replaces,
        overlap_ms=int(overlap_days * DAY_MS),
    )


def end_api_key(settings: Settings, key_id: str) -> ApiKey:
    """A key, revoked."""
    return revoke_key(key_file(settings), key_id, system_clock())
