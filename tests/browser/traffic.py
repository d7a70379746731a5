"""Decisions on the payments of a simulated world, with reasons read off each card's own history."""

import numpy as np
from tests.integration.alerts.decisions import message

from paywarden.events.alert_notes import described, noted
from paywarden.simulation.world import World

HOUR = 3_600_000


def decisions(days=12, cards=120):
    """(all decisions, alerts among them) as messages; frauds score high, a few genuine payments do, too."""
    random = np.random.default_rng(3)
    history, everything, alerts = {}, [], []
    for day in World(11, cards=cards, merchants=80, fraud_rate=0.02).days(0, days):
        frauds = set(day.truth.filter(day.truth["is_fraud"])["transaction_id"].to_pylist())
        for row in sorted(day.transactions.to_pylist(), key=lambda row: row["occurred_at"]):
            before = history.setdefault(row["entity_card"], [])
            found = _message(row, before, random, is_fraud=row["transaction_id"] in frauds)
            everything.append(found[0])
            if found[1] != "approve":
                alerts.append(found[0])
            before.append(row)
    return everything, alerts


def _message(row, before, random, *, is_fraud):
    score = float(random.beta(5, 2) if is_fraud and before else min(random.beta(0.4, 40), 0.3))
    decision = "approve" if score < 0.3 else "decline" if score > 0.93 else "review"
    fields = {name: row[name] for name in ("occurred_at", "received_at", "entity_card", "entity_merchant")}
    fields |= {"amount_base": row["amount_base"], "arrived_at": row["received_at"] + 3}
    latency = int(random.gamma(6.0, 70.0)) + 150
    fields |= {"decided_at": row["received_at"] + latency, "raw_score": float(np.log(score / (1 - score)))}
    reasons = _reasons(row, before) if decision != "approve" else []
    value = message(row["transaction_id"], **fields, score=score, decision=decision, reasons=reasons)
    return noted(value, described(row)), decision


def _reasons(row, before):
    hour = sum(1 for other in before if other["occurred_at"] > row["occurred_at"] - HOUR)
    usual = np.mean([other["amount_base"] for other in before])
    known = {other["entity_merchant"] for other in before}
    told = [("CARD_VELOCITY", f"{hour:,} payments of the card in 1h", hour / 3)] if hour > 1 else []
    times = row["amount_base"] / usual
    told += [("CARD_UNUSUAL_AMOUNT", f"{times:.1f} times the usual amount of the card", times / 2)]
    if row["entity_merchant"] not in known:
        told += [("CARD_MERCHANT_FAMILIARITY", "first payment of the card with this merchant", 1.2)]
    since = (row["occurred_at"] - before[-1]["occurred_at"]) // 60_000
    told += [("CARD_VELOCITY", f"{since:,.0f} min since the last payment of the card", 0.2)]
    return [{"code": code, "text": text} for code, text, _ in sorted(told, key=lambda reason: -reason[2])[:3]]
