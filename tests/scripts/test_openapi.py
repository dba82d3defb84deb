import importlib.util
import os
from pathlib import Path

import pytest
from harness.warm import WarmProcess

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("openapi", ROOT / "scripts" / "openapi.py")
assert spec is not None
assert spec.loader is not None
openapi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(openapi)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, "number"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "number"),
        ({"enum": [2, 3]}, "2 | 3"),
        ({"const": "always"}, '"always"'),
        ({"$ref": "#/components/schemas/PageOf_Job_"}, "PageOf_Job"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "[number, number]"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "Record<string, number>"),
        ({"type": "object", "additionalProperties": True}, "Record<string, any>"),
        ({}, "unknown"),
    ],
)
def test_a_schema_becomes_a_type(schema, expected):
    assert openapi.type_of(schema) == expected


def test_a_field_that_may_be_left_out_is_optional():
    schema = {"properties": {"id": {"type": "string"}, "next": {"type": "string"}}, "required": ["id"]}
    assert list(openapi.interface("Page", schema)) == [
        "  interface Page {",
        "    id: string;",
        "    next?: string;",
        "  }",
    ]


def test_a_path_that_says_more_is_asked_first():
    reply = {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Any"}}}}}}
    paths = {f"/xal/api{path}": {"get": reply} for path in ("/images/{image}", "/images/all", "/images/{image}/why")}
    assert list(openapi.replies({"paths": paths}, "get")) == ["/images/{image}/why", "/images/all", "/images/{image}"]


def test_a_path_that_replies_a_file_has_no_type():
    file = {"responses": {"200": {"content": {"image/png": {}}}}}
    assert openapi.replies({"paths": {"/xal/api/thumbnail.png": {"get": file}}}, "get") == {}


def test_the_types_of_the_page_are_those_of_the_server(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    log = tmp_path / "check.log"
    check = WarmProcess(["scripts.openapi", "--check"], os.environ, log)
    assert check.wait(240) == 0, log.read_text()
