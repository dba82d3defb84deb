"""Ids for images that sets name by paths: they must differ, and must not tell what a reader is to find."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import PurePosixPath

from xal.imaging.images import suffix_of

_DIGITS = 10
_LONG = 3
"""Letters of a label that do not stand in a longer word by chance."""


def identifiers(paths: Collection[str], labels: Collection[str]) -> dict[str, str]:
    """Path → id: its file's name; with the folders before it where two files have the same name.

    Where a path names a label, all ids are hashes of paths, which say nothing and stay what they are when the set
    grows.
    """
    if any(_names(path, label) for label in labels for path in paths):
        return {path: f"image_{short_hash(path)}" for path in paths}
    plain = {path: _without_suffix(PurePosixPath(path).name) for path in paths}
    users: dict[str, list[str]] = defaultdict(list)
    for path, identifier in plain.items():
        users[identifier.casefold()].append(path)
    for those in users.values():
        if len(those) > 1:
            plain.update({path: _without_suffix("_".join(PurePosixPath(path).parts)) for path in those})
    return plain


def short_hash(text: str) -> str:
    """The same for the same text, on every machine, and nothing of what it says."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _names(path: str, label: str) -> bool:
    """Whether a label stands in a path, but for case and what parts words; a short one only as a word of its own."""
    word, where = (re.sub(r"[\W_]+", "_", text.casefold()) for text in (label, path))
    if len(word) >= _LONG:
        return word in where
    like = r"\d" if word.isdigit() else r"[^\W\d_]"
    return bool(word) and re.search(rf"(?<!{like}){re.escape(word)}(?!{like})", where) is not None


def _without_suffix(name: str) -> str:
    suffix = suffix_of(name) or (".dicom" if name.lower().endswith(".dicom") else "")
    return name[: len(name) - len(suffix)]
