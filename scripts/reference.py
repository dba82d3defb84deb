"""Write the reference pages that the code already knows: settings and the command line.

A table kept by hand falls behind the code within weeks. `--check` writes nothing and fails where a page is not what
the code says today.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen  # noqa: E402 - the path comes first
from pydantic.fields import FieldInfo  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

from xal.cli import _parser  # noqa: E402
from xal.server.conf import Conf  # noqa: E402
from xal.settings import Settings  # noqa: E402
from xal.system.limits import Limits  # noqa: E402
from xal.task import Task  # noqa: E402

PAGES = ROOT / "docs" / "reference"
GENERATED = "<!-- Written by scripts/reference.py from the code; do not edit. -->\n\n"
BOUNDS = ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))

SETTINGS = """\
# Settings

Two places hold settings. `--conf` sets what concerns the *server*: where it keeps things, what it accepts, who may do
what. The task file sets what concerns the *clinical question*: findings, network, training, and how images are chosen.

A wrong key or value stops the start. The message names the place, the key, the value, and what would be right.
"""
CONF = """
## Settings of the server

Say them with make, several with spaces between them:

```
make serve CONF="alpha=0.7 cache_gb=50"
```

or by hand, each with its own `--conf`:

```
monailabel start_server --app apps/xal_radiology --studies DIR --host 127.0.0.1 --conf task phantom_2d --conf alpha 0.7
```

The most used ones have a variable of their own: `TASK`, `DATABASE`, `REVIEWERS` and `INSECURE`.
[How to run a server](../how-to/operations.md) says when to change which.
"""
LIMITS = """
## Limits of size and number

They are set with `--conf`, too. What is larger is refused, or listed as a problem if it lies in the studies folder.
"""
TASK = """
## Settings of a task

A task is one YAML file. [Tasks](tasks.md) shows a whole one. A dot below means a key inside another:
`acquisition.alpha` is

```yaml
acquisition:
  alpha: 0.5
```
"""
COMMANDS = """\
# Command line

## make

`make VARIABLE=value target`, in the folder of the repository:

{targets}

## xal

`xal` works on the studies folder, with or without a running server. It lies in the Python environment that make
builds: `.venv/bin/xal`. [How to run a server](../how-to/operations.md) says when to use which command.

{summary}

### Arguments of every command that works on a studies folder

{common}
"""
COMMON = ("studies", "task", "database", "reader")
"""Arguments told once: every command that has `--studies` has all of them."""


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with `--check` say which of them are out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is out of date")
    given = parser.parse_args(arguments)
    now = pages()
    stale = [path for path, text in now.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if given.check:
            print(f"{path.relative_to(ROOT)} is out of date: run scripts/reference.py", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(now[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is written")
    return int(given.check and bool(stale))


def pages() -> dict[Path, str]:
    """Each generated page and its text."""
    return {PAGES / "settings.md": settings_page(), PAGES / "command-line.md": command_line_page()}


def settings_page() -> str:
    """Every key of `--conf` and of a task file."""
    limits = list(Limits.model_fields)
    own = [name for name in Conf.model_fields if name not in limits]
    parts = [GENERATED, SETTINGS, CONF, "\n", table(Conf, own), LIMITS, "\n", table(Limits, limits), TASK]
    for name, kind in sections(Task):
        keys = table(kind, list(kind.model_fields), f"{name}." if name else "")
        parts.append(f"\n### {name or 'The task itself'}\n\n{first_line(kind)}\n\n{keys}")
    return "".join(parts)


def sections(kind: type[Settings], prefix: str = "") -> Iterator[tuple[str, type[Settings]]]:
    """The settings and, in the order in which they stand, all settings inside them."""
    yield prefix, kind
    for name, field in kind.model_fields.items():
        inner = settings_in(field.annotation)
        if inner is not None:
            many = "[]" if get_origin(field.annotation) is tuple else ""
            yield from sections(inner, f"{prefix}.{name}{many}".lstrip("."))


def settings_in(annotation: Any) -> type[Settings] | None:
    """The settings that a field holds, alone or several, if it holds any."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next((found for one in get_args(annotation) if (found := settings_in(one)) is not None), None)


def table(kind: type[Settings], names: list[str], prefix: str = "") -> str:
    """A row per key: what it takes, what it is unless set, and what it does."""
    said = attribute_docstrings(kind)
    lines = ["| key | takes | default | what it does |", "| --- | --- | --- | --- |"]
    for name in names:
        field = kind.model_fields[name]
        inner = settings_in(field.annotation)
        text = said.get(name) or (first_line(inner) if inner is not None else "")
        lines.append(f"| `{prefix}{name}` | {takes(field)} | {default(field)} | {cell(text)} |")
    return "\n".join(lines) + "\n"


def attribute_docstrings(kind: type[Settings]) -> dict[str, str]:
    """The string below each field, as the classes that it is made of have it; Python itself forgets these."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if not issubclass(one, Settings):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found


def takes(field: FieldInfo) -> str:
    """Which values a field accepts, in words."""
    known = rules(field)
    bounds = [
        f"{sign} {getattr(rule, name):,g}" for rule in known for kind, name, sign in BOUNDS if isinstance(rule, kind)
    ]
    lengths = [f"at least {rule.min_length}" for rule in known if isinstance(rule, MinLen)]
    lengths += [f"at most {rule.max_length}" for rule in known if isinstance(rule, MaxLen)]
    words = kind_in_words(field.annotation)
    more = bounds if words.startswith(("number", "whole")) else lengths
    return ", ".join([words, *more])


def rules(field: FieldInfo) -> list[Any]:
    """The constraints of a field, those inside an `Optional` included."""
    inner = [rule for one in get_args(field.annotation) for rule in getattr(one, "__metadata__", ())]
    flat: list[Any] = []
    for rule in [*field.metadata, *inner]:
        flat += rule.metadata if isinstance(rule, FieldInfo) else [rule]
    return flat


def kind_in_words(annotation: Any) -> str:
    """What a value of this type looks like in a YAML file or after `--conf`."""
    origin, inside = get_origin(annotation), [one for one in get_args(annotation) if one is not type(None)]
    if origin is Annotated:
        return kind_in_words(inside[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (Union, UnionType):
        return kind_in_words(inside[0])
    if origin is tuple:
        if settings_in(annotation) is not None:
            return "a list"
        return f"{'a list of' if inside[-1] is Ellipsis else len(inside)} numbers"
    if settings_in(annotation) is not None:
        return "keys of its own"
    return {bool: "`true` or `false`", int: "whole number", float: "number", Path: "a path"}.get(annotation, "text")


def default(field: FieldInfo) -> str:
    """What counts unless it is set."""
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Settings):
        return "see below"
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def first_line(kind: type) -> str:
    """The first sentence that a class says of itself."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def cell(text: str) -> str:
    """Text that fits into one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def command_line_page() -> str:
    """Every make target and every command with its arguments."""
    commands = subcommands(_parser())
    rows = [f"| [`{name}`](#xal-{name}) | {cell(sub.description or '')} |" for name, sub in commands.items()]
    summary = "\n".join(["| command | what it does |", "| --- | --- |", *rows])
    common = arguments_table([action for action in shown(commands["status"]) if action.dest in COMMON])
    parts = [GENERATED, COMMANDS.format(targets=targets(), summary=summary, common=common)]
    for name, sub in commands.items():
        parts.append(f"\n### xal {name}\n\n{sub.description}.\n\n```\n{usage(sub)}\n```\n")
        own = shown(sub)
        if is_on_studies(sub):
            own = [action for action in own if action.dest not in COMMON]
        if own:
            parts.append(f"\n{arguments_table(own)}\n")
    return "".join(parts)


def targets() -> str:
    """The Makefile's own list, as `make help` prints it."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    parted = [line.partition(":") for line in lines if ":" in line and " ## " in line and line[0].islower()]
    rows = [f"| `make {name}` | {cell(rest.partition(' ## ')[2])} |" for name, _, rest in parted]
    return "\n".join(["| target | what it does |", "| --- | --- |", *rows])


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Each command and its parser."""
    action = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def is_on_studies(parser: argparse.ArgumentParser) -> bool:
    """Whether a command works on a studies folder, and so has the common arguments."""
    return any("--studies" in action.option_strings for action in shown(parser))


def usage(parser: argparse.ArgumentParser) -> str:
    """One line, however wide the terminal is: argparse would break it anew for each."""
    words = [parser.prog]
    for action in shown(parser):
        if action.dest in COMMON[1:] and is_on_studies(parser):
            continue
        named = f"{action.option_strings[-1]} {value_of(action)}".strip() if action.option_strings else value_of(action)
        words.append(named if action.required else f"[{named}]")
    return " ".join(words)


def arguments_table(actions: list[argparse.Action]) -> str:
    """A row per argument."""
    lines = ["| argument | default | what it is |", "| --- | --- | --- |"]
    for action in actions:
        named = f"{', '.join(action.option_strings)} {value_of(action)}".strip()
        text = cell(action.help or "") + "".join(f" `{choice}`" for choice in action.choices or ())
        lines.append(f"| `{named}` | {argument_default(action)} | {text} |")
    return "\n".join(lines)


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments, but not `--help`: what must be given first."""
    known = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return sorted(known, key=lambda action: (bool(action.option_strings), not action.required))


def value_of(action: argparse.Action) -> str:
    """What stands for the value of an argument; a switch has none."""
    if action.nargs == 0:
        return ""
    return str(action.metavar or action.dest).upper().replace("-", "_")


def argument_default(action: argparse.Action) -> str:
    """What counts unless it is said; a name that this machine gave is told in words."""
    if action.required:
        return "required"
    if action.dest == "reader":
        return "your login name"
    return "–" if action.default is None or action.default in ((), "") or action.nargs == 0 else f"`{action.default}`"


if __name__ == "__main__":
    sys.exit(main())
