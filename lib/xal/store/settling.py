"""What the standing annotations of an image mean for it; those drawn on other pixels than it has now mean nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from xal.store.pool import ImageRows, Values
from xal.store.schema import annotation_table, outlines
from xal.task import REGION

_OF_ANNOTATION = re.compile(r"(\d+)\.\d+")
"""How a key of ROIs names the outline of an annotation: by its number and revision."""
IS_REGION = annotation_table.c.finding == REGION
"""An annotation is an outline without a finding: it settles nothing, and the image is scored by it."""


def agreed(readings: Sequence[Values], required: int) -> tuple[str | None, bool]:
    """The finding that active readings settle, if any, and whether there were enough of them.

    Settled is what at least `required` of them say and more of them than anything else. An imported one is enough.
    """
    needed = 1 if any(reading["source"] == "import" for reading in readings) else required
    votes = Counter(reading["finding"] for reading in readings).most_common(2)
    contested = len(votes) > 1 and votes[0][1] == votes[1][1]
    finding = votes[0][0] if votes and votes[0][1] >= needed and not contested else None
    return finding, len(readings) >= needed


def says(readings: Sequence[Values], finding: str) -> bool:
    """Whether one of the readings is this finding."""
    return any(reading["finding"] == finding for reading in readings)


def same_pixels(one: str | None, other: str | None) -> bool:
    """Whether two fingerprints may be of the same pixels; an unknown one (None) may be of any."""
    return one is None or other is None or one == other


def _outlines_of(rows: Iterable[Values]) -> list[str]:
    return [f"{row['id']}.{row['revision']}" for row in rows if row["roi_voxels"] > 0]


def annotations_in(roi_key: str) -> list[int]:
    """The numbers of the annotations that a key of ROIs names."""
    return [int(found[1]) for one in roi_key.split(" ") if (found := _OF_ANNOTATION.fullmatch(one))]


def is_of_archive(roi_key: str | None) -> bool:
    """Whether a key of ROIs names some that were found in an archive."""
    return roi_key is not None and "#" in roi_key


class Settling(ImageRows):
    """Access to what the annotations of an image mean for it."""

    def _active(
        self, connection: Connection, which: ColumnElement[bool], kind: ColumnElement[bool] = ~IS_REGION
    ) -> Sequence[Values]:
        """Standing annotations of this kind, oldest first."""
        query = select(annotation_table).where(
            self._db.mine(annotation_table), annotation_table.c.active.is_(True), which, kind
        )
        return connection.execute(query.order_by(annotation_table.c.id)).mappings().all()

    def _meaning(
        self, connection: Connection, image: Values, standing: Sequence[Values], fingerprint: str | None
    ) -> dict[str, Any]:
        """The derived values of an image that has these standing annotations and these pixels.

        An image that was read often enough stays so when its pixels are replaced: nothing is settled, so that a person
        decides, the annotations stay untouched, and all is as it was once the old pixels are back. What a reviewer
        decided goes before what they agree on, and ends the reading; as to pixels it is as good as those who said it.
        """
        required, decision = image["required"] or 1, image["decision"]
        counting = [row for row in standing if same_pixels(row["fingerprint"], fingerprint)]
        decided = decision["finding"] if decision and says(counting, decision["finding"]) else None
        roi_key = self._roi_key(connection, image["id"], counting, fingerprint)
        return {
            "required": image["required"] if standing else None,
            "decision": decision,
            "complete": bool(standing) and (decision is not None or agreed(standing, required)[1]),
            "finding": decided or agreed(counting, required)[0],
            "labelled": bool(standing),
            "outdated": len(counting) < len(standing),
            "roi_key": roi_key,
            "fresh": self._fresh(connection, image["id"], fingerprint, roi_key),
        }

    def _roi_values(self, connection: Connection, image: Values) -> dict[str, Any]:
        """By which ROIs an image is to be scored."""
        standing = self._active(connection, annotation_table.c.image == image["id"])
        counting = [row for row in standing if same_pixels(row["fingerprint"], image["fingerprint"])]
        roi_key = self._roi_key(connection, image["id"], counting, image["fingerprint"])
        return {"roi_key": roi_key, "fresh": self._fresh(connection, image["id"], image["fingerprint"], roi_key)}

    def _roi_key(
        self, connection: Connection, image: str, counting: Sequence[Values], fingerprint: str | None
    ) -> str | None:
        """Names the ROIs that an image is scored by.

        These are what readers outlined as a finding, else as a region, else what was found in an archive.
        """
        drawn = _outlines_of(counting) or _outlines_of(
            row
            for row in self._active(connection, annotation_table.c.image == image, IS_REGION)
            if same_pixels(row["fingerprint"], fingerprint)
        )
        found = [] if drawn else [row["origin"] for row in self._outlined(connection, image, fingerprint)]
        return " ".join(drawn or found) or None

    def _outlined(self, connection: Connection, image: str, fingerprint: str | None) -> list[Values]:
        """ROIs found in an archive that lie on these pixels."""
        query = select(outlines).where(self._db.mine(outlines), outlines.c.image == image).order_by(outlines.c.origin)
        rows = connection.execute(query).mappings().all()
        return [row for row in rows if same_pixels(row["fingerprint"], fingerprint)]
