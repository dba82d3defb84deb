"""What readers were shown of others' outlines, where the task shows these: noted as it is sent to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from xal.store.engine import Part
from xal.store.schema import shown


@dataclass(frozen=True)
class Serving:
    """What one reader was sent of an image, as one outline."""

    annotations: tuple[int, ...] = ()
    """Regions of other readers; they are known by their numbers once they are withdrawn, too."""
    found: tuple[str, ...] = ()
    """Origins of what the archive had."""


class Servings(Part):
    """The part of the store that keeps them: one small row for an image and a reader who was shown something of it."""

    def of(self, image: str, reader: str) -> list[Serving]:
        """What this reader was sent of an image until now, in order; each once."""
        return self._db.read(lambda c: self._of(c, image, reader))

    def note(self, image: str, reader: str, serving: Serving) -> None:
        """Keep that this reader is sent it; what is noted already costs no writing."""

        def work(connection: Connection) -> None:
            known = self._of(connection, image, reader)
            if serving in known:
                return
            servings = [asdict(one) for one in [*known, serving]]
            self._db.upsert(
                connection, shown, [{**self._db.scope, "reader": reader, "image": image, "servings": servings}]
            )

        if serving not in self.of(image, reader):
            self._db.write(work)

    def _of(self, connection: Connection, image: str, reader: str) -> list[Serving]:
        here = self._db.mine(shown) & (shown.c.image == image) & (shown.c.reader == reader)
        kept = connection.execute(select(shown.c.servings).where(here)).scalar() or []
        return [Serving(tuple(one["annotations"]), tuple(one["found"])) for one in kept]
