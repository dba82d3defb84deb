"""What a user may choose about a set, beside what all sets have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Of a set that is imported in one way only; others add fields, each described as an end of "it takes …"."""

    model_config = ConfigDict(extra="forbid", frozen=True)
