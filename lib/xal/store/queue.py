"""The queue: the best image for a reader, leased to that reader alone, found through an index."""

from __future__ import annotations

from xal.store.engine import Base
from xal.store.rows import Lease, Offer, Order


class Queue(Base):
    """The part of the store that hands out images."""

    def next_sample(self, reader: str, order: Order, lease_seconds: float, now: float | None = None) -> Offer | None:
        """Give this reader the best open image that is leased to nobody; None when nothing is left.

        First come images never given to this reader, by score, uncertainty or shuffle (unscored ones after scored ones);
        then those given before, oldest first, which may be one this reader still leases. An image that this reader has
        read already is never given again while its annotation stands.
        """
        raise NotImplementedError

    def leases(self, now: float | None = None) -> list[Lease]:
        """The leases that have not expired, by image."""
        raise NotImplementedError

    def release(self, image: str, reader: str) -> bool:
        """Give up this reader's lease of this image; False if there was none."""
        raise NotImplementedError
