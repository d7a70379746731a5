"""Commands and settings: what documents and messages name exists, and what exists is explained."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from paywarden.cli.app import app
from paywarden.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMING = [path for path in DOCUMENTS if "paywarden " in path.read_text()]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
# A command in code: `paywarden …` or $ paywarden …, up to the first word that is no command's name.
NAMED = re.compile(r"(?:`|\$ |^|&& |\[bold\])paywarden((?: [a-z][a-z-]*)*)((?: --?[a-z][a-z-]*)?)", re.MULTILINE)
OPTION = re.compile(r"(?:`|\$ |^|&& |\[bold\])paywarden ([a-z][^`\n\[#|&]*)", re.MULTILINE)


def tree(command):
    return {name: tree(child) for name, child in getattr(command, "commands", {}).items()}


APP = typer.main.get_command(app)  # takes a moment, so once
COMMANDS = tree(APP)


def missing(text):
    """The commands that a text names and that do not exist."""
    wrong = []
    for found in NAMED.finditer(text):
        words, place = found.group(1).split(), COMMANDS
        while words and place:
            if words[0] not in place:
                wrong.append(found.group(0))
                break
            place = place[words.pop(0)]
    return wrong


def options_of(words):
    """The options of the command that the words begin with, and the words after it."""
    command = APP
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}, words


def wrong_options(text):
    wrong = []
    for found in OPTION.finditer(text):
        known, rest = options_of(found.group(1).split())
        wrong += [
            word for word in rest if re.match(r"--[a-z]", word) and word.split("=")[0].rstrip(".,;)") not in known
        ]
    return wrong


def strings(path):
    """Every text in a module: docstrings and messages, with the pieces of f-strings."""
    tree = ast.parse(path.read_text())
    return "\n".join(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("path", NAMING, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_commands_that_exist(path):
    text = path.read_text()
    assert missing(text) == []
    assert wrong_options(text) == []


def test_docstrings_and_messages_name_only_commands_that_exist():
    texts = {str(path.relative_to(ROOT)): strings(path) for path in SOURCES}
    wrong = {name: missing(text) + wrong_options(text) for name, text in texts.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_wrong_command_would_be_found():
    assert missing("run `paywarden archive`, then `paywarden state build`") == []
    assert missing("run `paywarden archives`") == ["`paywarden archives"]
    assert missing("```\npaywarden state bild\n```") == ["paywarden state bild"]
    assert wrong_options("`paywarden archive --lake x`") == []
    assert wrong_options("`paywarden archive --leak x`") == ["--leak"]


def test_the_readme_shows_the_first_command():
    text = (ROOT / "README.md").read_text()
    if not text.strip():
        pytest.skip("there is no README yet")
    assert "paywarden demo" in text


def settings(model, path=()):
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from settings(annotation, (*path, name))
        else:
            yield (*path, name), field


def test_every_section_of_settings_is_explained():
    sections = [field.annotation for field in Settings.model_fields.values() if isinstance(field.annotation, type)]
    models = [section for section in sections if issubclass(section, BaseModel)]
    assert len(models) >= 7
    assert [model.__name__ for model in models if not (model.__doc__ or "").strip()] == []


def test_a_setting_whose_name_does_not_say_its_unit_or_form_is_described():
    vague = ("path", "directory", "shards", "partitions", "master", "bootstrap_servers", "redis_url", "token_key")
    undescribed = [".".join(p) for p, field in settings(Settings) if p[-1] in vague and not field.description]
    assert undescribed == []


def test_documents_name_only_settings_that_exist():
    known = {"_".join(("PAYWARDEN", "__".join(path))).upper() for path, _ in settings(Settings)}
    known |= {"PAYWARDEN_CONFIG", "PAYWARDEN_DATA", "PAYWARDEN_COMMAND", "PAYWARDEN_ALERT_WEBHOOK"}
    known |= {"PAYWARDEN_MONITOR_OUT"}  # the end of a variable of Airflow
    for path in DOCUMENTS:
        named = set(re.findall(r"PAYWARDEN_[A-Z]+(?:_[A-Z]+)*(?:__[A-Z]+(?:_[A-Z]+)*)*", path.read_text()))
        named -= {"PAYWARDEN_SECTION__NAME"}
        assert {name for name in named if not any(name == k or name.startswith(k + "__") for k in known)} == set(), path
