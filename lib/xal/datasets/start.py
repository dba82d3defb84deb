"""The start set: labels that a pool begins with, in MONAI Label's format, taken over when the server first starts."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from xal.datasets.journal import Placed
from xal.datasets.listing import LISTING, START_LABELS, Listed, listing
from xal.datasets.naming import short_hash
from xal.datasets.truth import MASKS, TRUTH_FOLDER, Known
from xal.imaging.images import read_header, read_image, suffix_of, write_label
from xal.system.durable import write_atomically

READER = "start set"


def write_start(studies: Path, name: str, images: Sequence[Placed], roi_findings: Sequence[str], count: int) -> int:
    """Label `count` images of each finding and list all; how many are labelled.

    A start set that is listed stays what it is, whatever was imported since: people may have begun to work with it.
    Groups are hashed, because the server shows them and sets name them after patients and findings.
    """
    chosen = _listed(studies) or choose_start(images, count)
    for one in images:
        if one.truth.image in chosen:
            _write_label(studies, one, roi_findings)
    rows = (
        Listed(one.truth.image, suffix_of(one.file) or "", short_hash(one.truth.group), one.truth.image in chosen)
        for one in sorted(images, key=lambda one: one.truth.image)
    )
    content = listing(name, f"Imported by xal import {name}", rows, roi_findings, READER)
    write_atomically(studies / LISTING, content)
    return len(chosen)


def choose_start(images: Sequence[Placed], count: int) -> set[str]:
    """`count` of each finding, the same ones on every machine, of as many groups as there are."""
    by_finding: dict[str, list[Placed]] = defaultdict(list)
    for one in sorted(images, key=lambda one: hashlib.sha256(one.truth.image.encode()).digest()):
        by_finding[one.truth.finding].append(one)
    chosen: set[str] = set()
    for those in by_finding.values():
        seen: dict[str, int] = defaultdict(int)
        turns: list[tuple[int, int, str]] = []
        for one in those:
            turns.append((seen[one.truth.group], len(turns), one.truth.image))
            seen[one.truth.group] += 1
        chosen.update(image for _, _, image in sorted(turns)[:count])
    return chosen


def _listed(studies: Path) -> Collection[str]:
    file = studies / LISTING
    if not file.is_file():
        return ()
    objects = json.loads(file.read_text(encoding="utf-8"))["objects"]
    return {image for image, entry in objects.items() if entry["labels"]}


def _write_label(studies: Path, one: Placed, roi_findings: Sequence[str]) -> None:
    file = studies / START_LABELS / f"{one.truth.image}.nii.gz"
    if file.is_file():
        return
    mask = None if one.mask is None else studies / TRUTH_FOLDER / MASKS / one.mask
    roi = Known(one.truth.image, one.truth.finding, one.truth.group, mask).roi()
    image = studies / one.file
    volume = read_image(image) if image.is_dir() else read_header(image)
    label = np.zeros(volume.shape, np.uint8)
    if roi is not None:
        label[roi] = roi_findings.index(one.truth.finding) + 1
    write_label(file, label, volume.affine)
