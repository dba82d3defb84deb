"""What the routes of `/xal/api/` share: how a request says who asks, and what it may be shown."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request
from fastapi import Path as PathParameter
from monailabel.endpoints.user.auth import User
from pydantic import BaseModel, ConfigDict

from xal.errors import Forbidden
from xal.loop.reader import Reader
from xal.server.http import AnyUser, reader_in
from xal.store.rows import AnnotationRow, Lease
from xal.task import REGION

T = TypeVar("T")

Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]
"""What the store numbers its rows with."""
PAGE = 1000
"""The longest list that one request is given."""
Limit = Annotated[int, Query(ge=1, le=PAGE)]
Cursor = Annotated[str | None, Query(description="`next` of the page before; none for the first")]


class Asked(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")

    client_id: str | None = None
    """Who asks, where there is no sign-in."""


class Reply(BaseModel):
    """The body of a reply; built by name, so that nothing of a row leaves the server by accident."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageOf(Reply, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None
    """The cursor of the next page; null where this is the last."""


class AnnotationReply(Reply):
    """An annotation, in short; without its finding for who reads the image blind."""

    id: int
    image: str
    reader: str
    revision: int
    finding: str | None
    region: bool
    """It outlines something and names no finding."""
    roi_voxels: int | None
    created_at: float


class LeaseReply(Reply):
    """Who has the image, and until when."""

    image: str
    reader: str
    until: float


def lease_reply(row: Lease) -> LeaseReply:
    """A lease as a reply."""
    return LeaseReply(image=row.image, reader=row.reader, until=row.until)


def annotation_reply(row: AnnotationRow, *, seen: bool) -> AnnotationReply:
    """An annotation as a reply."""
    return AnnotationReply(
        id=row.id,
        image=row.image,
        reader=row.reader,
        revision=row.revision,
        finding=row.finding if seen and row.finding != REGION else None,
        region=row.finding == REGION,
        roi_voxels=row.roi_voxels if seen else None,
        created_at=row.created_at,
    )


def asking(request: Request, body: Asked | None, user: User) -> Reader:
    """Who sent this body."""
    return reader_in(request, {"client_id": body.client_id if body else None}, user)


def _asked_by(
    request: Request, user: AnyUser, client_id: Annotated[str | None, Query(description="who asks")] = None
) -> Reader:
    return reader_in(request, {"client_id": client_id}, user)


Asker = Annotated[Reader, Depends(_asked_by)]
"""Who asks, of a request without a body: `?client_id=`."""


def _reviewer(reader: Asker) -> Reader:
    return checked_reviewer(reader)


ReviewerAsker = Annotated[Reader, Depends(_reviewer)]
"""Who asks, and is a reviewer."""


def checked_reviewer(reader: Reader) -> Reader:
    """The reader; Forbidden if it is not a reviewer."""
    if not reader.reviewer:
        raise Forbidden(f"{reader.name!r} is no reviewer here: the server names them with --conf reviewers")
    return reader


def checked_decider(request: Request, reader: Reader) -> Reader:
    """The reader; Forbidden if reviewers are named and it is none of them: where nobody is, everybody decides."""
    return checked_reviewer(reader) if request.app.state.xal_reviewers else reader


def rounded(value: Any) -> Any:
    """A number as people read it; None stays None."""
    return None if value is None else round(float(value), 4)
