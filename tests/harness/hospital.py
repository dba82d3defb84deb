"""A hospital for tests: a real archive with phantoms of several modalities, and a server that reads from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import nibabel as nib
import numpy as np
import torch
import yaml

import phantoms
from harness.orthanc import Orthanc
from harness.server import Server
from phantoms import Case
from phantoms.syntaxes import stored_as
from xal.model.network import build, save
from xal.pool.project import Project
from xal.pool.weights import digest
from xal.task import TASKS

LOGIN = ("ann", "s3cret-word")


@contextmanager
def of_x_rays(folder: Path, count: int) -> Iterator[Orthanc]:
    """An archive of so many X-rays."""
    with Orthanc(folder, *LOGIN) as archive:
        for number in range(count):
            archive.upload(phantoms.case("dx", number).instances)
        yield archive


def quick_task(folder: Path, task: str = "phantom_2d", **changes: object) -> Path:
    """A shipped task that trains in seconds; it need not learn."""
    content = yaml.safe_load((TASKS / f"{task}.yaml").read_text(encoding="utf-8"))
    content["image"]["size"] = [32] * content["image"]["dimensions"]
    content["training"] |= {"max_epochs": 1, "patience": 1}
    content["gate"] = {"max_fall": 1.0, "confidence": 1.0}
    content["readings"] = {"double": 0.0}
    content |= changes
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{task}.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def publish_untrained(project: Project) -> None:
    """Give a project a published model that has learnt nothing."""
    torch.manual_seed(0)
    version = project.store.versions.add(settings={})
    path = project.workspace.models / f"v{version}" / "weights.pt"
    save(path, build(project.task), project.task, {"version": version})
    project.store.versions.update(version, path=str(path.relative_to(project.workspace.state)), sha256=digest(path))
    project.store.versions.publish(version, by="test")


@dataclass
class Hospital:
    """An archive, a server on it, and the truth of its images by SeriesInstanceUID."""

    folder: Path
    archive: Orthanc
    server: Server
    cases: dict[str, Case] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path, task: Path, options: Sequence[str] = (), **conf: object) -> Self:
        """Neither runs yet."""
        archive = Orthanc(folder / "archive", *LOGIN)
        environment = {
            "XDG_DATA_HOME": str(folder / "data"),
            "MONAI_LABEL_DICOMWEB_USERNAME": LOGIN[0],
            "MONAI_LABEL_DICOMWEB_PASSWORD": LOGIN[1],
        }
        server = Server(folder / "server", f"{archive.url}/dicom-web", str(task), environment, options, **conf)
        return cls(folder, archive, server)

    def admit(self, kind: str, number: int = 0, syntax: str | None = None) -> Case:
        """Send a phantom to the archive."""
        case = phantoms.case(kind, number)
        case = case if syntax is None else stored_as(case, syntax)
        self.archive.upload(case.instances)
        self.cases[case.series] = case
        return case

    def label(self, case: Case) -> Path:
        """The true outline of a case, on the voxels that the server sends."""
        sent = self.folder / f"{case.series}.nii.gz"
        reply = self.server.get("/datastore/image", image=case.series)
        assert reply.ok, reply.text
        sent.write_bytes(reply.content)
        image = nib.load(sent)
        file = self.folder / f"label_{case.series}.nii.gz"
        nib.save(nib.Nifti1Image(case.roi.astype(np.uint8).reshape(image.shape), image.affine), file)
        return file

    def hand_in(self, case: Case, reader: str = "dr_smith") -> dict:
        """Hand in the right answer."""
        names = [case.finding] if case.roi.any() else []
        reply = self.server.submit(case.series, self.label(case), names, reader)
        assert reply.ok, reply.text
        return reply.json()

    def objects(self, modality: str) -> list:
        """What the archive has of a modality."""
        return [instance for uid in self.archive.series(modality) for instance in self.archive.instances(uid)]

    def wait_for_objects(self, modality: str, count: int, seconds: float = 60) -> list:
        """Wait until the archive has so many of them."""
        self.server.wait(lambda: len(self.archive.series(modality)) >= count, seconds, f"{count} {modality}")
        return self.objects(modality)
