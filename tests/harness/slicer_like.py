"""A client as unforgiving as 3D Slicer's MONAI Label module: same calls, same order, no guards.

Written after what that module does, not after what our server sends: it reads the keys it reads, in the way it
reads them, and whatever would crash the module raises here.
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import requests
import SimpleITK as sitk  # noqa: N813 - its usual name

SKIPPED_SEGMENTS = ("background", "foreground_scribbles", "background_scribbles")


class SlicerLike:
    """One Slicer with its scene: a volume and a list of segments, each a set of voxels."""

    def __init__(self, url: str, client_id: str = "user-xyz", suffix: str = ".nii.gz") -> None:
        """Connect; `user-xyz` is what an unconfigured module sends."""
        self.url = url
        self.client_id = client_id
        self.suffix = suffix
        self.folder = Path(tempfile.mkdtemp(prefix="slicer-like-"))
        self.info: dict[str, Any] = {}
        self.sample: dict[str, Any] = {}
        self.volume: sitk.Image | None = None
        self.segments: dict[str, np.ndarray] = {}
        self.fetch_info()

    def fetch_info(self) -> None:
        """What every refresh of the module asks, and how it reads it."""
        requests.get(f"{self.url}/auth/", timeout=30)
        self.info = self._json("GET", "/info/")
        assert "config" not in self.info, "the module would say: upgrade the server"
        running = requests.get(f"{self.url}/train/?check_if_running=true", timeout=30)
        assert running.status_code in (200, 404)
        stats = next(iter(self.info["train_stats"].values()))
        epoch = 0 if stats.get("total_time") else stats.get("epoch", 1)
        _ = int(100 * epoch / (stats.get("total_epochs", 1) or 1))
        _ = int(100 * stats.get("best_metric", 0))
        _ = int(100 * self.info["datastore"]["completed"] / max(1, self.info["datastore"]["total"]))

    def next_sample(self, strategy: str = "xal", local: bool = False) -> dict[str, Any]:
        """Next Sample: load the volume, make the segments, run the first matching model."""
        config = self.info["strategies"][strategy]["config"]
        self.sample = self._json("POST", f"/activelearning/{strategy}", {**config, "client_id": self.client_id})
        if not self.sample.get("id"):
            return {}
        path = self.sample.get("path")
        if local and path and Path(path).exists():
            self.load(Path(path))
        else:
            reply = requests.get(f"{self.url}/datastore/image", params={"image": self.sample["id"]}, timeout=60)
            assert reply.status_code == 200
            file = self.folder / self.sample.get("name", self.sample["id"])
            file.write_bytes(reply.content)
            algorithm, digest = self.sample["checksum"].split(":")
            assert algorithm == "SHA256"
            assert hashlib.sha256(reply.content).hexdigest() == digest, "the module would load another image"
            self.load(file)
        listing = self._json("GET", "/datastore/?output=all")
        labels = listing["objects"].get(self.sample["id"], {}).get("labels", {})
        assert "original" not in labels, "the module would show it to the reader"
        self.segments = {name: self._empty() for name in self.info["labels"]}
        for label in self.info["labels"]:  # auto-run: the first model that has the first label
            for name, model in self.info["models"].items():
                if label in model.get("labels", []):
                    if model["type"] in ("segmentation", "detection"):
                        self.run(name)
                    return self.sample
        return self.sample

    def load(self, file: Path) -> None:
        """Slicer shows a picture as a volume of one slice."""
        image = sitk.ReadImage(str(file))
        self.volume = sitk.JoinSeries(image) if image.GetDimension() == 2 else image

    def run(self, model: str, session_id: str | None = None, **params: object) -> dict[str, Any]:
        """Run a model and import its result as the module does."""
        query = {"image": self.sample.get("id", ""), **({"session_id": session_id} if session_id else {})}
        said = {**params, "result_extension": ".nrrd", "result_dtype": "uint8", "client_id": self.client_id}
        reply = requests.post(
            f"{self.url}/infer/{model}", params=query, files={"params": (None, json.dumps(said))}, timeout=120
        )
        assert reply.status_code == 200, reply.text
        form, files = _multipart(reply)
        name = next(iter(files))  # no guard: a reply without a file raises here, as in the module
        result = json.loads(form["params"])
        file = self.folder / Path(name).name
        file.write_bytes(files[name])
        self._import(file, result.get("label_names") or self.info["models"][model]["labels"])
        return dict(result)

    def _import(self, file: Path, names: dict[str, int] | list[str]) -> None:
        """Clear every listed segment, then give the n-th value that occurs to the n-th listed name."""
        ordered = sorted(names, key=lambda name: names[name]) if isinstance(names, dict) else list(names)
        ordered = [name for name in ordered if name != "background"]
        image = sitk.ReadImage(str(file))
        assert self.volume is not None
        assert image.GetSize() == self.volume.GetSize()
        assert np.allclose(image.GetOrigin(), self.volume.GetOrigin(), atol=1e-3)
        assert np.allclose(image.GetSpacing(), self.volume.GetSpacing(), rtol=1e-4)
        assert np.allclose(image.GetDirection(), self.volume.GetDirection(), atol=1e-4)
        voxels = sitk.GetArrayFromImage(image)
        for name in ordered:
            self.segments[name] = self._empty()
        for position, value in enumerate(sorted(set(np.unique(voxels)) - {0})):
            self.segments[ordered[position]] = voxels == value

    def paint(self, finding: str, region: tuple[slice, ...]) -> None:
        """Paint into a finding's segment; indices are (z, y, x)."""
        self.segments[finding][region] = True

    def submit(self, check: bool = True) -> dict[str, Any]:
        """Submit Label: export all segments, later ones over earlier ones, values by position."""
        names = [name for name in self.segments if name not in SKIPPED_SEGMENTS]
        exported = np.zeros(next(iter(self.segments.values())).shape, np.uint8)
        label_info = []
        for position, name in enumerate(names):
            exported[self.segments[name]] = position + 1
            label_info.append({"name": name, "idx": list(self.segments).index(name) + 1})
        label = sitk.GetImageFromArray(exported)
        assert self.volume is not None
        label.CopyInformation(self.volume)
        file = self.folder / f"label{self.suffix}"
        sitk.WriteImage(label, str(file), True)
        with file.open("rb") as content:
            reply = requests.put(
                f"{self.url}/datastore/label",
                params={"image": self.sample["id"]},
                data={
                    "params": json.dumps({"label_info": label_info, "model": "attention", "client_id": self.client_id})
                },
                files={"label": (str(file), content)},
                timeout=120,
            )
        if check:
            assert reply.status_code == 200, reply.text
            self.fetch_info()
        return dict(reply.json())

    def _empty(self) -> np.ndarray:
        assert self.volume is not None
        return np.zeros(self.volume.GetSize()[::-1], bool)

    def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        reply = requests.request(method, self.url + path, json=body, timeout=120)
        assert reply.status_code == 200, reply.text
        return dict(json.loads(reply.text, parse_constant=_no_constant))


def _multipart(reply: requests.Response) -> tuple[dict[str, str], dict[str, bytes]]:
    assert "multipart" in reply.headers["content-type"], "the module needs a file in the reply"
    head = b"Content-Type: " + reply.headers["content-type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + reply.content)
    form: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name, file = part.get_param("name", header="content-disposition"), part.get_filename()
        content = part.get_payload(decode=True)
        if file:
            files[file] = content
        else:
            form[str(name)] = content.decode()
    return form, files


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
