"""Whose image it is: asked of the archive for the one who reads, kept and written nowhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from xal.errors import Forbidden, NotFound
from xal.pool.project import Project
from xal.server.api.common import Asker, Reply

HIDDEN = "this server does not name patients (--conf show_patient true, with an archive)"


class Patient(Reply):
    """What the archive says of the patient; null where it says nothing."""

    name: str | None
    id: str | None
    birth_date: str | None
    sex: str | None
    study_date: str | None


def add_routes(router: APIRouter, project: Project) -> None:
    """The routes of `project`."""

    @router.get("/images/{image}/patient", summary="The patient of an image, where the server may name patients")
    def patient(request: Request, image: str, reader: Asker) -> Patient:
        exchange = project.source.exchange
        if not request.app.state.xal_show_patient or exchange is None:
            raise Forbidden(HIDDEN)
        headers = exchange.headers(project.store.images.get(image))
        if not headers:
            raise NotFound(f"the archive has no instances of image {image!r}")

        def said(keyword: str) -> str | None:
            value: Any = headers[0].get(keyword)
            return str(value) if value else None

        return Patient(
            name=said("PatientName"),
            id=said("PatientID"),
            birth_date=said("PatientBirthDate"),
            sex=said("PatientSex"),
            study_date=said("StudyDate"),
        )
