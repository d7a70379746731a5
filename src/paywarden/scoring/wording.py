"""What alerts say of each feature: as an analyst would put it, with features that tell one story under one code."""

from __future__ import annotations

from dataclasses import replace

from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.scoring.encoding import is_code
from paywarden.scoring.reasons import ReasonBook, ReasonTemplate

_VERSION = 2

_AMOUNTS = {
    "sum": "payments of the {entity} {window} add up to {{money:,.2f}}",
    "mean": "mean amount of the {entity} {window}: {{money:,.2f}}",
    "max": "largest amount of the {entity} {window}: {{money:,.2f}}",
    "std": "amounts of the {entity} {window} vary by {{money:,.2f}}",
}

_SORTS = {
    "declined": "declined payments",
    "anomaly": "payments far above its usual amount",
    "small": "for small amounts",
    "round": "for round amounts",
    "newcomer": "first payments there",
}

_REQUEST = {
    "amount": ReasonTemplate("AMOUNT", "the amount: {money:,.2f}"),
    "hour_sin": ReasonTemplate("TIME", "the time of day"),
    "hour_cos": ReasonTemplate("TIME", "the time of day"),
    "weekday": ReasonTemplate("TIME", "the day of the week"),
    "is_night": ReasonTemplate("TIME", "in the night", zero="not in the night"),
    "is_weekend": ReasonTemplate("TIME", "at the weekend", zero="on a working day"),
    "is_holiday": ReasonTemplate("TIME", "on a holiday", zero="on no holiday"),
}


def reason_book(catalogue: Catalogue) -> ReasonBook:
    """A template for every feature of the catalogue."""
    templates = {name: _of_request(name) for name in catalogue.request}
    for feature in catalogue.features:
        tokens = catalogue.tokens_of[feature.entity]
        words = _of_pair(feature, *tokens) if len(tokens) > 1 else _of_entity(feature, feature.entity)
        templates[feature.name] = words
    return ReasonBook(_VERSION, {name: templates[name] for name in catalogue.names})


def without_rates(book: ReasonBook) -> ReasonBook:
    """The book for a model that splits categories itself: of a category it knows no rate that could be told."""
    templates = {
        name: replace(template, text=f"this {_words(name)}", missing=f"no {_words(name)}, or a rare one")
        if is_code(name)
        else template
        for name, template in book.templates.items()
    }
    return replace(book, templates=templates)


def _words(name: str) -> str:
    return name.removesuffix("_code").removeprefix("extra_").replace("_", " ")


def _of_request(name: str) -> ReasonTemplate:
    if name in _REQUEST:
        return _REQUEST[name]
    what = _words(name)
    if is_code(name):
        text = f"fraud rate of the {what} so far: {{percent:.1f}} %"
        return ReasonTemplate(name.upper(), text, f"the transaction bears no {what}")
    return ReasonTemplate(name.upper(), f"{what}: {{value:,.2f}}", f"the transaction bears no {what}")


def _of_pair(feature: Feature, first: str, second: str) -> ReasonTemplate:
    """All that a pair knows tells how familiar the two are."""
    code = f"{first}_{second}_familiarity".upper()
    new = f"first payment of the {first} with this {second}"
    match feature.aggregation:
        case "first_time":
            return ReasonTemplate(code, new, zero=f"the {first} has paid with this {second} before")
        case "count":
            return ReasonTemplate(code, f"{{value:,.0f}} earlier payments of the {first} with this {second}", zero=new)
        case "seconds_since_last":
            return ReasonTemplate(code, f"{{duration}} since the {first} last paid with this {second}", new)
        case "ratio_to_mean":
            return ReasonTemplate(code, f"{{value:.1f}} times what the {first} usually pays with this {second}", new)
        case _:
            return ReasonTemplate(code, f"{feature.meaning}: {{value:,.2f}}", new)


def _of_entity(feature: Feature, entity: str) -> ReasonTemplate:
    code, text, absent, zero = _story(feature, entity)
    return ReasonTemplate(f"{entity}_{code}".upper(), text, absent or f"the first known payment of the {entity}", zero)


def _story(feature: Feature, entity: str) -> tuple[str, str, str | None, str | None]:  # noqa: C901, PLR0911, PLR0912 (one a story)
    """Code, words, and the words where the feature is absent and where it is 0."""
    window = f"in {feature.window.name}" if feature.window else ""
    if feature.field and feature.field.startswith("extra_"):
        return f"{feature.field}", f"{feature.meaning}: {{value:,.2f}}", None, None
    match feature.aggregation:
        case "count":
            return "velocity", f"{{value:,.0f}} payments of the {entity} {window}", None, None
        case "seconds_since_last":
            return "velocity", f"{{duration}} since the last payment of the {entity}", None, None
        case "burst":
            return "burst", f"{{value:.1f}} times the usual number of payments of the {entity} {window}", None, None
        case "sum" | "mean" | "max" | "std":
            return "amounts", _AMOUNTS[feature.aggregation].format(entity=entity, window=window), None, None
        case "ratio_to_mean":
            return "unusual_amount", f"{{value:.1f}} times the usual amount of the {entity}", None, None
        case "peak":
            text = f"the largest amount of the {entity} {window} was {{value:.1f}} times its usual one"
            return "unusual_amounts_of_late", text, f"no payment of the {entity} {window}", None
        case "zscore":
            text = f"{{value:.1f}} standard deviations from the usual amount of the {entity}"
            return "unusual_amount", text, f"no history of amounts of the {entity} to compare with", None
        case "fraud_rate":
            text = f"{{percent:.1f}} % of the payments of the {entity} {window} reported as fraud (smoothed)"
            return "reported_fraud", text, None, None
        case "matured_fraud_rate":
            text = f"{{percent:.0f}} % of the latest payments of the {entity} old enough to be judged were fraud"
            none = f"no payment of the {entity} old enough to be judged"
            return "reported_fraud", f"{text} ({feature.window.name if feature.window else ''})", none, None
        case "seconds_since_fraud":
            none = f"no fraud was ever reported of the {entity}"
            return "reported_fraud", f"fraud was reported of the {entity} {{duration}} ago", none, None
        case "fraud_run_seconds":
            none = f"no fraud was reported of the {entity} of late"
            return "reported_fraud", f"frauds have been reported of the {entity} for {{duration}}", none, None
        case "speed_kmh":
            text = f"the {entity} would have had to travel at {{value:,.0f}} km/h"
            return "travel", text, f"no earlier place of the {entity} to compare with", None
        case _:
            return _story_of_field(feature, entity, window)


def _story_of_field(feature: Feature, entity: str, window: str) -> tuple[str, str, str | None, str | None]:
    what = str(feature.field).replace("_", " ")
    match feature.aggregation:
        case "first_time_of":
            known = f"the {entity} had this {what} before"
            return f"new_{feature.field}", f"a new {what} for the {entity}", None, known
        case "count_of":
            return f"{feature.field}", f"{{value:,.0f}} {_SORTS.get(what, what)} of the {entity} {window}", None, None
        case "share":
            text = f"{{percent:.0f}} % of the payments of the {entity} {window} were {_SORTS.get(what, what)}"
            return f"{feature.field}_share", text, None, None
        case "distinct" | "distinct_few":
            text = f"{feature.meaning.removesuffix(f' {window}')} {window}".replace(" (estimate)", "")
            return f"spread_of_{feature.field}", f"{{value:,.0f}} {text}", None, None
        case _:
            return feature.aggregation, f"{feature.meaning}: {{value:,.0f}}", None, None
