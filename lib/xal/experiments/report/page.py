"""A report as blocks, and those as one HTML page that needs nothing else, or as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """One sentence each."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells as text: `words` columns of words first, the first of which names the row, then numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    words: int = 1


@dataclass(frozen=True)
class Code:
    """Text as it was typed."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG; one that `shows_images` of the set stays in the report and is never published."""

    name: str
    caption: str
    shows_images: bool = False

    @property
    def file(self) -> str:
        """What the file is called."""
        return f"{self.name}.png"


Block = Heading | Paragraph | Bullets | Table | Code | Picture

_CSS = """
:root { color-scheme: light dark; --ink: #1e293b; --soft: #64748b; --line: #e2e8f0; --page: #ffffff; --box: #f8fafc }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e2e8f0; --soft: #94a3b8; --line: #334155; --page: #0f172a; --box: #1e293b }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 66rem; color: var(--ink); background: var(--page);
  font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line) }
p, li { max-width: 48rem }
ul { padding-left: 1.2rem }
li { margin: .25rem 0 }
.lead { color: var(--soft); margin-top: 0 }
figure { margin: 1.2rem 0; break-inside: avoid }
img { display: block; width: 100%; height: auto; background: #fff; border-radius: 6px }
figcaption, caption { color: var(--soft); font-size: .85rem; text-align: left }
figcaption { margin-top: .4rem; max-width: 48rem }
.scroll { overflow-x: auto; margin: 1.2rem 0; break-inside: avoid }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; min-width: 50% }
caption { padding-bottom: .4rem; max-width: 48rem }
th, td { padding: .32rem .9rem .32rem 0; text-align: right; border-bottom: 1px solid var(--line) }
td { white-space: nowrap }
th { font-weight: 600; color: var(--soft); vertical-align: bottom }
th:first-child, td:first-child { font-weight: 600; color: var(--ink) }
.word { text-align: left }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
  font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
@media print {
  :root { --ink: #000; --soft: #444; --line: #ccc; --page: #fff; --box: #fff }
  body { padding: 0; max-width: none; font-size: 10pt }
  h2 { break-after: avoid }
  pre { white-space: pre-wrap }
  h2 { margin-top: 1.6rem }
  table { font-size: 8pt }
  th, td { padding: .2rem .5rem .2rem 0 }
}
"""


def to_html(title: str, lead: str, blocks: Sequence[Block], pictures: Path) -> str:
    """One page with its pictures, which lie in the folder `pictures`, inside it."""
    parts = [_block(block, pictures) for block in blocks]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>",
            f'<h1>{_text(title)}</h1>\n<p class="lead">{_text(lead)}</p>',
            *parts,
            "</body>\n</html>\n",
        ]
    )


def to_markdown(title: str, lead: str, blocks: Sequence[Block], pictures: Mapping[str, str]) -> str:
    """The same as text; `pictures` says where a published picture lies, all others are left out."""
    parts = [f"## {title}", lead]
    shown = [block for block in blocks if not isinstance(block, Picture) or block.name in pictures]
    for block, following in zip(shown, [*shown[1:], None], strict=True):
        match block:
            case Heading() if following is None or isinstance(following, Heading):
                pass
            case Heading(text):
                parts.append(f"### {text}")
            case Paragraph(text):
                parts.append(text)
            case Bullets(lines):
                parts.append("\n".join(f"- {line}" for line in lines))
            case Code(text):
                parts.append(f"```\n{text.strip()}\n```")
            case Table(head, rows, caption, words):
                line = ["---"] * words + ["---:"] * (len(head) - words)
                lines = [_cells(head), _cells(line), *(_cells(row) for row in rows)]
                parts += [caption] * bool(caption) + ["\n".join(lines)]
            case Picture(name, caption):
                parts.append(f"![{caption}]({pictures[name]})")
    return "\n\n".join(parts) + "\n"


def _block(block: Block, pictures: Path) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_text(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Bullets(lines):
            return "<ul>\n" + "\n".join(f"<li>{_text(line)}</li>" for line in lines) + "\n</ul>"
        case Code(text):
            return f"<pre>{escape(text.strip())}</pre>"
        case Table(head, rows, caption, words):
            said = f"<caption>{_text(caption)}</caption>" if caption else ""
            body = "\n".join(_row(row, "td", words) for row in rows)
            rest = f"<thead>{_row(head, 'th', words)}</thead>\n<tbody>\n{body}\n</tbody>"
            return f'<div class="scroll"><table>{said}{rest}</table></div>'
        case Picture(_, caption):
            data = base64.b64encode((pictures / block.file).read_bytes()).decode("ascii")
            image = f'<img alt="{_text(caption)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_text(caption)}</figcaption></figure>"


def _text(text: str) -> str:
    """Escaped, and a number is never parted from its %."""
    return escape(text).replace(" %", "\N{NO-BREAK SPACE}%")


def _row(cells: Sequence[str], kind: str, words: int) -> str:
    word = ' class="word"'
    return "<tr>" + "".join(f"<{kind}{word * (k < words)}>{_text(c)}</{kind}>" for k, c in enumerate(cells)) + "</tr>"


def _cells(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
