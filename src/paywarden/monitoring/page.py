"""A page that stands by itself: words, tables and plots in one HTML file, without a script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light; --ink: #1b2430; --soft: #5b6675; --line: #e2e6ec; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 28px 20px 60px; }
header { border-radius: 10px; padding: 22px 26px; color: #fff; }
header h1 { margin: 0; font-size: 30px; line-height: 1.15; letter-spacing: -.01em; }
header p { margin: 6px 0 0; opacity: .92; }
.quiet { background: #1f7a5a; } .watch { background: #8a6100; } .alarm { background: #b3261e; }
.retrain { background: #2f4fa8; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 18px 24px; margin-top: 16px; }
h2 { font-size: 17px; margin: 0 0 4px; } h2 + p { margin-top: 0; color: var(--soft); }
ul { padding-left: 20px; margin: 8px 0 0; } li { margin: 5px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 16px; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; } .tile i { overflow-wrap: anywhere;
  font-style: normal; font-size: 13px; display: block; }
svg { max-width: 100%; height: auto; display: block; margin: 6px auto 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; margin-top: 8px; }
th { text-align: right; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); padding: 6px 10px; }
td { text-align: right; border-bottom: 1px solid var(--line); padding: 5px 10px; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr.bad td { background: #fdecea; }
.mark { display: inline-block; min-width: 62px; padding: 0 8px; margin-right: 8px; border-radius: 9px; color: #fff;
  font-size: 12px; text-align: center; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--soft); }
footer { color: var(--soft); font-size: 13px; margin-top: 18px; }
"""


def page(title: str, body: Iterable[str]) -> str:
    """The whole document; the pieces of `body` are HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body><main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


def section(title: str, words: str, *parts: str) -> str:
    """A section with its title and a sentence; `parts` are HTML."""
    said = f"<p>{escape(words)}</p>" if words else ""
    return f"<section><h2>{escape(title)}</h2>{said}{''.join(parts)}</section>"


def tile(value: str, what: str, beside: str = "") -> str:
    """A figure with what it is, and what it is to be held against."""
    return f'<div class="tile"><span>{escape(what)}</span><b>{escape(value)}</b><i>{escape(beside)}</i></div>'


def folded(words: str, *parts: str) -> str:
    """Parts that are shown once their words are clicked."""
    return f"<details><summary>{escape(words)}</summary>{''.join(parts)}</details>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], bad: Sequence[bool] = ()) -> str:
    """A table; `bad` says which rows stand out."""
    marks = list(bad)
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = []
    for place, row in enumerate(rows):
        mark = ' class="bad"' if place < len(marks) and marks[place] else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return f'<div class="scroll"><table><tr>{top}</tr>{"".join(lines)}</table></div>'


def listed(sentences: Iterable[tuple[str, str]]) -> str:
    """A list of sentences, each with a mark before it; the mark is one of the verdicts."""
    marks = ((f'<span class="mark {escape(mark)}">{escape(mark)}</span>', sentence) for mark, sentence in sentences)
    items = (f"<li>{mark}{escape(sentence)}</li>" for mark, sentence in marks)
    return f'<ul style="list-style: none; padding: 0">{"".join(items)}</ul>'
