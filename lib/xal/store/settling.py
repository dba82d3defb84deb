"""What the standing annotations of an image mean for it; those drawn on other pixels than it has now mean nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from xal.store.pool import Pool, Values
from xal.store.schema import annotation_table


def agreed(readings: Sequence[Values], required: int) -> tuple[str | None, bool]:
    """The finding that active readings settle, if any, and whether there were enough of them.

    Settled is what at least `required` of them say and more of them than anything else. An imported one is enough.
    """
    needed = 1 if any(reading["source"] == "import" for reading in readings) else required
    votes = Counter(reading["finding"] for reading in readings).most_common(2)
    contested = len(votes) > 1 and votes[0][1] == votes[1][1]
    finding = votes[0][0] if votes and votes[0][1] >= needed and not contested else None
    return finding, len(readings) >= needed


def same_pixels(one: str | None, other: str | None) -> bool:
    """Whether two fingerprints may be of the same pixels; an unknown one (None) may be of any."""
    return one is None or other is None or one == other


class Settling(Pool):
    """The part of the store that derives an image's finding from its annotations."""

    def _active(self, connection: Connection, which: ColumnElement[bool]) -> Sequence[Values]:
        """Standing annotations, oldest first."""
        query = select(annotation_table).where(self._mine(annotation_table), annotation_table.c.active.is_(True), which)
        return connection.execute(query.order_by(annotation_table.c.id)).mappings().all()

    def _meaning(
        self, connection: Connection, image: Values, standing: Sequence[Values], fingerprint: str | None
    ) -> dict[str, Any]:
        """The derived values of an image that has these standing annotations and these pixels.

        An image that was read often enough stays so when its pixels are replaced: nothing is settled, so that a person
        decides, the annotations stay untouched, and all is as it was once the old pixels are back.
        """
        required = image["required"] or 1
        counting = [row for row in standing if same_pixels(row["fingerprint"], fingerprint)]
        roi_key = " ".join(f"{row['id']}.{row['revision']}" for row in counting if row["roi_voxels"] > 0) or None
        return {
            "required": image["required"] if standing else None,
            "complete": agreed(standing, required)[1] and bool(standing),
            "finding": agreed(counting, required)[0],
            "labelled": bool(standing),
            "outdated": len(counting) < len(standing),
            "roi_key": roi_key,
            "fresh": self._fresh(connection, image["id"], fingerprint, roi_key),
        }
