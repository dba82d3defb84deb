"""The model versions: the learning curve, what was measured of each, and bringing one back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from xal.loop.decisions import publish_version
from xal.model.judging import accuracy_interval
from xal.pool.project import Project
from xal.server.api.common import Asked, Cursor, Limit, Number, PageOf, Reply, asking, checked_decider, rounded
from xal.server.http import AnyUser, Reviewer
from xal.store.paging import paged
from xal.store.rows import VersionRow, VersionState


class Version(Reply):
    """A model version as a point of the learning curve."""

    version: int
    state: VersionState
    current: bool
    labels: int | None
    """How many annotated images it was trained on."""
    created_at: float
    published_at: float | None
    balanced_accuracy: float | None
    """On the validation images; null without any."""
    interval: tuple[float, float] | None
    """Where the balanced accuracy lies with 95 % of the probability, judged by so few validation images."""
    energy_in_roi: float | None
    """On the validation images; null without any that has an ROI."""
    reasons: list[str]
    """Why the gate published or refused it."""
    parent: int | None


class VersionDetail(Version):
    """A model version, with all that was measured of it."""

    metrics: dict[str, Any]
    verdict: dict[str, Any]
    settings: dict[str, Any]


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""
    store = project.store

    @router.get("/versions", summary="Model versions, newest first")
    def versions(user: AnyUser, cursor: Cursor = None, limit: Limit = 100) -> PageOf[Version]:
        page = paged("versions", "version", store.versions.newest, limit, cursor)
        return PageOf(items=[version_reply(row) for row in page.items], next=page.next)

    @router.get("/versions/{version}", summary="A model version, with all that was measured of it")
    def version(version: Number, user: AnyUser) -> VersionDetail:
        row = store.versions.get(version)
        known = dict(version_reply(row))
        return VersionDetail(**known, metrics=row.metrics, verdict=row.verdict, settings=row.settings)

    @router.post("/versions/{version}/publish", summary="Bring a version back")
    def publish(request: Request, version: Number, user: Reviewer, body: Asked | None = None) -> Version:
        reader = checked_decider(request, asking(request, body, user))
        return version_reply(publish_version(project, version, by=reader.name))


def version_reply(row: VersionRow) -> Version:
    """What is known of a version; a measure of its own training images is no point on a learning curve."""
    judged = row.metrics if row.metrics.get("judged_on") == "validation" else {}
    return Version(
        version=row.version,
        state=row.state,
        current=row.current,
        labels=row.metrics.get("trained_on", {}).get("cases"),
        created_at=row.created_at,
        published_at=row.published_at,
        balanced_accuracy=rounded(judged.get("balanced_accuracy")),
        interval=_interval(judged),
        energy_in_roi=rounded(judged.get("energy_in_roi")),
        reasons=[row.verdict["reason"]] if row.verdict else [],
        parent=row.parent,
    )


def _interval(judged: Mapping[str, Any]) -> tuple[float, float] | None:
    found = accuracy_interval(judged["recall"], judged["counts"]["findings"]) if judged else None
    return None if found is None else (rounded(found[0]), rounded(found[1]))
