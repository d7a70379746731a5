"""How the columns of a CSV or Parquet file become transactions and labels: a mapping, which a YAML file says.

The language, by example, is in ``src/paywarden/events/mappings/``; ``mapping_parser.py`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from paywarden.errors import MappingError
from paywarden.events.mapping_parser import parsed_parts
from paywarden.events.schema import EventSchema
from paywarden.events.sources import AmountSource, EntitySource, IdSource, LabelSource, Source, TimeSource
from paywarden.events.yaml_section import did_you_mean


@dataclass(frozen=True)
class Mapping:
    """A mapping file, checked. ``schema`` holds the entities, optional fields and extras that it declares.

    The first entity routes; without entities the transaction id does. ``fields`` are the currency and the optional
    fields, ``extras`` the declared extras. ``received_delay_ms`` after it occurred, a transaction is taken to have
    been received.
    """

    name: str
    schema: EventSchema
    entities: MappingOf[str, EntitySource]
    transaction_id: IdSource
    occurred_at: TimeSource
    amount: AmountSource
    fields: MappingOf[str, Source]
    extras: MappingOf[str, Source]
    label: LabelSource | None = None
    received_delay_ms: int = 0

    @staticmethod
    def packaged() -> tuple[str, ...]:
        """Names of the mappings that come with Paywarden."""
        files = resources.files("paywarden.events").joinpath("mappings").iterdir()
        return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Mapping:
        """The mapping of that packaged name, or of the YAML file at that path.

        Raises :class:`~paywarden.errors.MappingError` if there is none, or if it is wrong: with the key, what is there
        and the remedy.
        """
        path = Path(name_or_path)
        if path.suffix in {".yaml", ".yml"}:
            return cls.parse(_text_of(path), str(path))
        if str(name_or_path) not in cls.packaged():
            names = cls.packaged()
            hint = did_you_mean(str(name_or_path), names)
            raise MappingError(
                f"there is no mapping {str(name_or_path)!r}.{hint} Known: {', '.join(names)}; "
                f"or give the path of a .yaml file, such as `paywarden data map FILE --out mine.yaml` writes"
            )
        file = resources.files("paywarden.events").joinpath("mappings").joinpath(f"{name_or_path}.yaml")
        return cls.parse(file.read_text(encoding="utf-8"), str(name_or_path))

    @classmethod
    def parse(cls, text: str, name: str) -> Mapping:
        """The mapping written in ``text``; ``name`` says in messages where it came from."""
        return cls(name=name, **parsed_parts(text, name))

    def columns(self) -> Iterator[tuple[str, str]]:
        """Each place of the mapping that names a column of the file, and the column."""
        if self.transaction_id.column is not None:
            yield "transaction_id", self.transaction_id.column
        yield from (("occurred_at", column) for column in self.occurred_at.columns)
        yield "amount", self.amount.column
        yield from ((f"entities.{name}", entity.column) for name, entity in self.entities.items())
        for place, source in {**self.fields, **{f"extra_{name}": s for name, s in self.extras.items()}}.items():
            yield from ((place, column) for column in source.columns)
        if self.label is not None:
            yield "label", self.label.column
            if self.label.pattern is not None:
                yield from (("label.pattern", column) for column in self.label.pattern.columns)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MappingError(f"there is no mapping file {path}; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"mapping file {path} cannot be read: {error}; it must be YAML in UTF-8") from error
