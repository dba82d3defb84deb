"""A simulated reader: works like a client, through REST alone, and knows what is on the images."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import requests

from xal.datasets.truth import Known, Truth
from xal.errors import XalError
from xal.imaging.images import Volume, read_image, write_label
from xal.task import Task

Json = dict[str, Any]
ANSWER_SECONDS = 60.0
WORK_SECONDS = 600.0
"""Longest wait for a training or a scoring run."""
LOOK_SECONDS = 0.3


class SimulatedReader:
    """Asks for the next image, downloads it, outlines what is there and hands it in."""

    def __init__(self, url: str, name: str, task: Task, truth: Truth, check: Callable[[], None]) -> None:
        """Read at the server `url` as `name`; `check` raises if that server is no more."""
        self._url = url
        self._name = name
        self._task = task
        self._truth = truth
        self._check = check

    # reading

    def read_next(self, strategy: str) -> Json | None:
        """Next Sample, download, submit; the sample, or None when nothing is left."""
        sample: Json = self._ask("post", f"/activelearning/{strategy}", json={"client_id": self._name}).json()
        if not sample:
            return None
        content = self._ask("get", "/datastore/image", params={"image": sample["id"]}).content
        if f"SHA256:{hashlib.sha256(content).hexdigest()}" != sample["checksum"]:
            raise XalError(f"{sample['id']} arrived with another checksum than the server had said")
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / str(sample["name"])
            image.write_bytes(content)
            label = Path(folder) / "label.nii.gz"
            self._outline(read_image(image), self._truth[sample["id"]], label)
            self._hand_in(sample["id"], label)
        return sample

    def _outline(self, image: Volume, known: Known, label: Path) -> None:
        roi = known.roi()
        painted = np.zeros(image.shape, np.uint8)
        if roi is not None:
            painted[roi] = self._task.roi_findings.index(known.finding) + 1
        write_label(label, painted, image.affine)

    def _hand_in(self, image: str, label: Path) -> None:
        segments = [{"name": name, "idx": value} for value, name in enumerate(self._task.roi_findings, start=1)]
        said = json.dumps({"client_id": self._name, "label_info": segments})
        with label.open("rb") as file:
            reply = self._ask(
                "put",
                "/datastore/label",
                params={"image": image},
                data={"params": said},
                files={"label": (label.name, file)},
            )
        stored = reply.json()["xal"]["finding"]
        if stored != self._truth[image].finding:
            raise XalError(f"{image} was handed in as {self._truth[image].finding} and stored as {stored}")

    def exclude(self, image: str, reason: str) -> None:
        """Take an image out of the pool for good."""
        self._ask("post", f"/xal/api/images/{image}/exclude", json={"reason": reason, "client_id": self._name})

    def attention(self, image: str, folder: Path) -> tuple[np.ndarray[Any, Any], Json]:
        """Bands of the attention (X, Y, Z), and what the model says; only of an image this reader has handed in."""
        form = {"params": json.dumps({"client_id": self._name})}
        said: Json = self._ask("post", "/infer/classifier", params={"image": image, "output": "json"}, data=form).json()
        reply = self._ask("post", "/infer/attention", params={"image": image, "output": "image"}, data=form)
        file = folder / "attention.nrrd"
        file.write_bytes(reply.content)
        return read_image(file).pixels[0], said

    # the model

    def train(self, options: Mapping[str, object], on_progress: Callable[[float, str], None]) -> Json:
        """Train, and wait until it is over; the version that came of it."""
        before = self._newest()
        self._ask("post", "/train/classifier", json={**options, "client_id": self._name})
        task: Json = {}

        def over() -> bool:
            task.update(self._ask("get", "/train/").json())
            progress = self._progress("train") if task["status"] == "RUNNING" else {}
            if progress:
                share = progress["epoch"] / progress["total_epochs"]
                on_progress(share, f"training, epoch {progress['epoch']} of {progress['total_epochs']}")
            return task["status"] not in ("SUBMITTED", "RUNNING")

        self._wait(over, "training")
        newest = self._newest()
        if newest == before:
            raise XalError("training brought no model:\n" + "\n".join(task.get("details", [])))
        version: Json = self._ask("get", f"/xal/api/versions/{newest}").json()
        return version

    def wait_scored(self, on_progress: Callable[[float, str], None]) -> Json:
        """Wait until the model in use has scored the whole pool; the server's status."""
        status: Json = {}

        def scored() -> bool:
            status.update(self._ask("get", "/xal/api/status").json())
            on_progress(1 - status["unscored"] / max(1, status["open"]), "rescoring the pool")
            return bool(status["unscored"] == 0)

        self._wait(scored, "scores")
        return status

    def publish(self, version: int) -> None:
        """Bring a version back."""
        self._ask("post", f"/xal/api/versions/{version}/publish", json={"client_id": self._name})

    def _newest(self) -> int:
        """The number of the newest model version; 0 if there is none."""
        listed: list[Json] = self._ask("get", "/xal/api/versions", params={"limit": 1}).json()["items"]
        return int(listed[0]["version"]) if listed else 0

    def _progress(self, kind: str) -> Json:
        """How far the running job of a kind is; {} before it has begun."""
        jobs: list[Json] = self._ask("get", "/xal/api/jobs").json()["items"]
        running = (job for job in jobs if job["kind"] == kind and job["state"] == "running")
        return dict(next(running, {"progress": {}})["progress"])

    # requests

    def _ask(self, method: str, path: str, **content: Any) -> requests.Response:
        try:
            reply = requests.request(method, self._url + path, timeout=ANSWER_SECONDS, **content)
        except requests.RequestException as error:
            self._check()  # says more than a refused connection, if the process has ended
            raise XalError(f"{method.upper()} {path}: {error}") from error
        if not reply.ok:
            raise XalError(f"{method.upper()} {path}: {reply.status_code} {reply.text[:500]}")
        return reply

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + WORK_SECONDS
        while not ready():
            self._check()
            if time.monotonic() > until:
                raise XalError(f"waited {WORK_SECONDS:.0f} s for {what}")
            time.sleep(LOOK_SECONDS)
