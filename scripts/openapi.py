"""Write web/openapi.json, what `/xal/api/` says of itself, and web/replies.d.ts, the same as types for the page.

The routes are described where they are made, without a server: on a project over a copy of the sample data. Run it when
a reply has changed; with --check it writes nothing, and fails where the two files are not what it would write.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi

from xal.pool.project import Project
from xal.server.api import api_router
from xal.task import load_task

ROOT = Path(__file__).resolve().parent.parent
TASK = "phantom_2d"
PREFIX = "/xal/api"
METHODS = {"get": "Get", "post": "Post"}
PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
REFERENCE = "#/components/schemas/"

HEADER = """\
// What `/xal/api/` replies, as types. Written by scripts/openapi.py from openapi.json; do not edit.
"""

Schema = Mapping[str, Any]


def describe() -> dict[str, Any]:
    """The paths under `/xal/api/` and the schemas they name, always in the same order."""
    with tempfile.TemporaryDirectory() as folder:
        studies = Path(folder) / TASK
        shutil.copytree(ROOT / "sample_data" / TASK, studies)
        project = Project.open(load_task(TASK), str(studies))
        document = get_openapi(title="xal", version="1", routes=api_router(project).routes)
    ordered: dict[str, Any] = json.loads(json.dumps(document, sort_keys=True))
    return ordered


def type_of(schema: Schema) -> str:
    """A schema as a type."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE).strip("_")
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(item) for item in schema['prefixItems'])}]"
    kind = schema.get("type")
    if kind == "array":
        inner = type_of(schema["items"])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        values = schema.get("additionalProperties", True)
        return f"Record<string, {type_of(values) if isinstance(values, dict) and values else 'any'}>"
    return PRIMITIVES.get(kind, "unknown")


def interface(name: str, schema: Schema) -> Iterator[str]:
    """The lines of one schema's interface; a field that a reply may leave out is optional."""
    if "description" in schema:
        yield f"  /** {' '.join(schema['description'].split())} */"
    yield f"  interface {name.strip('_')} {{"
    required = schema.get("required", ())
    for field, value in schema["properties"].items():
        yield f"    {field}{'' if field in required else '?'}: {type_of(value)};"
    yield "  }"


def replies(document: Schema, method: str) -> dict[str, str]:
    """Path → type of what a method replies in JSON; a path in braces stands after those that say more."""
    found: dict[str, str] = {}
    for path, offers in document["paths"].items():
        success = offers.get(method, {}).get("responses", {}).get("200", {})
        schema = success.get("content", {}).get("application/json", {}).get("schema")
        if schema and "$ref" in schema:
            found[path.removeprefix(PREFIX)] = type_of(schema)
    return dict(sorted(found.items(), key=lambda item: (-item[0].count("/"), item[0].count("{"), item[0])))


def pattern(path: str) -> str:
    """A path as a type: what stands in braces is any text."""
    if "{" not in path:
        return f'"{path}"'
    parts = ["${string}" if part.startswith("{") else part for part in path.split("/")]
    return f"`{'/'.join(parts)}`"


def chooser(document: Schema, method: str) -> Iterator[str]:
    """The lines of two types: the paths that a method has, and what it replies at one of them."""
    name, known = METHODS[method], replies(document, method)
    yield f"  type {name}Path ="
    yield from (f"    | {pattern(path)}" for path in known)
    yield "    ;"
    yield f"  type {name}<Path extends string> ="
    yield from (f"    Path extends {pattern(path)} ? {reply} :" for path, reply in known.items())
    yield "    never;"


def types(document: Schema) -> str:
    """The text of replies.d.ts."""
    lines: list[str] = []
    for name, schema in document["components"]["schemas"].items():
        lines += interface(name, schema)
    for method in METHODS:
        lines += chooser(document, method)
    return HEADER + "\ndeclare namespace Reply {\n" + "\n".join(lines) + "\n}\n"


def main() -> int:
    """Write both files, or say which of them is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    checking: bool = parser.parse_args().check
    document = describe()
    texts = {"openapi.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n", "replies.d.ts": types(document)}
    old = [name for name, text in texts.items() if not _is(ROOT / "web" / name, text)]
    if checking:
        for name in old:
            print(f"web/{name} is not what the server replies now: run scripts/openapi.py", file=sys.stderr)
        return 1 if old else 0
    for name in old:
        (ROOT / "web" / name).write_text(texts[name], encoding="utf-8")
        print(f"web/{name} is written anew")
    return 0


def _is(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
