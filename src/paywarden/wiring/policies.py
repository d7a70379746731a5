"""The policy file in force, and another one held against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paywarden import wiring
from paywarden.jobs.backtest import FORMER, NEW, Backtest, backtest
from paywarden.scoring.rules.policy_file import read_rule_book
from paywarden.scoring.rules.rule_book import RuleBook
from paywarden.settings import Settings


def backtest_policy(
    settings: Settings, policy: Path, since: int, *, model: str = "champion", say: Callable[[str], None]
) -> Backtest:
    """A policy file held against the one of the settings, on the lake's payments since then (epoch ms)."""
    books = {
        FORMER: read_rule_book(settings.policy.file) if settings.policy.file else RuleBook(),
        NEW: read_rule_book(policy),
    }
    models = wiring.registry(settings)
    version = models.find(model).version  # an alias may point elsewhere when the report is read
    bundle = models.get(version)
    say("reading the lake")
    history = wiring.training_history(settings)
    say(f"replaying {history.transactions.num_rows:,} transactions")
    with wiring.replayer(settings, say) as replayer:
        return backtest(history, str(version), bundle, books, wiring.cost_matrix(settings), since, replayer=replayer)
