"""Settings in YAML files: validated once, at the edge, and every mistake names its file, key and value."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from xal.errors import TaskError


def no_truth_value(value: Any) -> Any:
    """Refuse true and false where a number belongs: pydantic would take them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("it must be a number, not true or false")
    return value


class Settings(BaseModel):
    """What all settings have in common: unknown keys are mistakes, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        kinds = {kind, *get_args(kind)}
        return no_truth_value(value) if kinds & {int, float} and bool not in kinds else value


S = TypeVar("S", bound=Settings)


def read_settings(path: Path, kind: type[S]) -> S:
    """Read a YAML file as settings of this kind."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise TaskError(
            f"{path}: a {kind.__name__.lower()} file is a mapping of keys to values, not {type(content).__name__}"
        )
    return validated(content, kind, str(path))


def validated(content: dict[str, Any], kind: type[S], where: str) -> S:
    """`content` as settings of this kind; an error has a line per mistake: where, key, value, what would be right."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = (f"{where}: {_explain(dict(detail), kind)}" for detail in error.errors())
        raise TaskError("\n".join(lines)) from error


def _explain(detail: dict[str, Any], kind: type[Settings]) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or kind.__name__.lower()
    if detail["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(detail["loc"][-1]), _keys_beside(detail["loc"], kind), 1)
        return f"{key}: unknown key" + (f"; did you mean {close[0]!r}?" if close else "")
    if detail["type"] == "missing":
        return f"{key}: is required and missing"
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict) else f" is {detail['input']!r};"
    return f"{key}:{value} {message}"


def _keys_beside(location: tuple[str | int, ...], kind: type[Settings]) -> list[str]:
    """The keys that would have been right where an unknown one stands."""
    here: Any = kind
    for part in location[:-1]:
        if _is_settings(here):
            here = here.model_fields[str(part)].annotation
        else:  # the index or key of one of many
            here = next(kind for kind in get_args(here) if _is_settings(kind))
        if type(None) in get_args(here):  # settings that may be left out
            here = next(kind for kind in get_args(here) if _is_settings(kind))
    return list(here.model_fields)


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)
