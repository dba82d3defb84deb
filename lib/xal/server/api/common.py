"""What the routes of `/xal/api/` share: how a request says who asks, and what it may be shown."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi import Path as PathParameter
from monailabel.endpoints.user.auth import User
from pydantic import BaseModel, ConfigDict

from xal.errors import Forbidden
from xal.reader import Reader
from xal.server.http import AnyUser, reader_in
from xal.store.rows import Lease

Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]
"""What the store numbers its rows with."""
PAGE = 1000
"""The longest list that one request is given."""


class Asked(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")

    client_id: str | None = None
    """Who asks, where there is no sign-in."""


class Reply(BaseModel):
    """The body of a reply; built by name, so that nothing of a row leaves the server by accident."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LeaseReply(Reply):
    """Who has the image, and until when."""

    image: str
    reader: str
    until: float


def lease_reply(row: Lease | None) -> LeaseReply | None:
    """A lease as a reply; None stays None."""
    return None if row is None else LeaseReply(image=row.image, reader=row.reader, until=row.until)


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
