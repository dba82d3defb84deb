"""3D Slicer's MONAI Label module without its windows: what it does to data, done by Slicer's own code.

Runs in the environment of `slicer-core`, not in the app's: `python slicer_agent.py JOB.json`, and writes what it saw
to the file that the job names. It checks nothing but what the module checks; the test that started it does.
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import importlib.metadata
import json
import sys
import traceback
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import slicer
import vtk
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

BINARY_LABELMAP = "Binary labelmap"
ONE_FILE, LABEL_MAP = 4, 1
"""Options of vtkSlicerVolumesLogic.AddArchetypeVolume, bit-coded."""
SUFFIXES = {"cropped.seg.nrrd": ".seg.nrrd", "flat.seg.nrrd": ".seg.nrrd"}
"""Ways to save whose name is not the suffix of the file they make."""


class Agent:
    """One Slicer with its scene and its settings."""

    def __init__(self, job):
        self.url, self.client, self.cases = job["url"], job["client_id"], job["cases"]
        self.folder = Path(job["folder"])
        self.cache = self.folder / "RemoteIO"  # one folder for all that is ever downloaded, as in Slicer
        self.cache.mkdir()
        self.scene = slicer.vtkMRMLScene()
        self.volumes = slicer.vtkSlicerVolumesLogic()
        self.volumes.SetMRMLScene(self.scene)
        self.logic = slicer.vtkSlicerSegmentationsModuleLogic()
        self.logic.SetMRMLScene(self.scene)
        self.info = self.json("GET", "/info/")

    def work(self):
        """Next Sample until nothing is left; what happened to each image."""
        seen = {}
        while sample := self.json("POST", "/activelearning/xal", {"client_id": self.client}):
            if sample["id"] in seen:
                break
            try:
                seen[sample["id"]] = self.read(sample)
            except Exception:  # noqa: BLE001 - reported, so that one image does not hide the others
                seen[sample["id"]] = {"failed": traceback.format_exc()}
        return seen

    def read(self, sample):
        """One image as a reader goes through it: open, look, outline, submit, look, correct, submit."""
        case = self.cases[sample["id"]]
        self.scene.Clear(0)
        self.sample, self.said = sample, {"path": sample.get("path")}
        self.volume = self.load(sample)
        self.segmentation = self.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        self.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)
        for label in self.info["labels"]:
            self.segmentation.GetSegmentation().AddEmptySegment(label, label, None)
        matrix = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(matrix)
        self.said["shape"] = self.volume.GetImageData().GetDimensions()
        self.said["ijk_to_ras"] = slicer.util.arrayFromVTKMatrix(matrix).tolist()
        self.said["pixels"] = slicer.util.arrayFromVolume(self.volume).T.tolist()
        self.said["blind"] = self.infer("predicted")
        if case.get("region"):
            self.said["region"] = self.outline(case["region"], case["save"])
        self.said["rounds"] = []
        for number, strokes in enumerate(case["strokes"]):
            for segment in strokes:
                self.paint(
                    segment, [voxel for past in case["strokes"][: number + 1] for voxel in past.get(segment, [])]
                )
            submitted = self.submit(case["save"], f"{sample['id']}.r{number + 1}")
            before = self.points()
            shown = [self.infer(finding) for finding in case["ask"]]
            self.said["rounds"].append(submitted | {"before": before, "after": self.points(), "shown": shown})
        return self.said

    def outline(self, voxels, save):
        """Hand in an outline without a finding, and what others have left over as attention; then clear the segment."""
        self.paint("region", voxels)
        self.paint("attention 1", voxels[:1])
        reply = self.submit(save, f"{self.sample['id']}.region", stored=False)["reply"]
        look = {"client_id": self.client, "image": self.sample["id"]}
        listed = self.json("GET", f"/xal/api/annotations?{urllib.parse.urlencode(look)}")["items"]
        blind = self.infer("predicted")["said"]
        for segment in ("region", "attention 1"):
            self.paint(segment, [])
        return {"reply": reply, "listed": listed, "blind": blind}

    # the module's steps

    def load(self, sample):
        """`SampleData.downloadFromURL`, or `loadVolume` where the path exists here: neither says it is one file."""
        path = None if self.cases[sample["id"]]["remote"] else sample.get("path")
        file = Path(path) if path and Path(path).exists() else self.download(sample)
        if file.suffix == ".png":
            return self.load_png(file)
        node = self.volumes.AddArchetypeVolume(str(file), sample["name"], 0)
        assert node.GetStorageNode().IsA("vtkMRMLVolumeArchetypeStorageNode")
        return node

    def download(self, sample):
        file = self.cache / sample["name"]
        if not file.exists():
            query = urllib.parse.urlencode({"image": sample["id"]})
            file.write_bytes(self.request("GET", f"/datastore/image?{query}")[0])
        algorithm, digest = sample["checksum"].split(":")
        assert algorithm == "SHA256"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
        return file

    def load_png(self, file):
        """slicer-core is built without ITK's PNG reader; its geometry is the identity in LPS."""
        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        slicer.util.updateVolumeFromArray(node, np.asarray(Image.open(file))[np.newaxis])
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 0, -1)
        matrix.SetElement(1, 1, -1)
        node.SetIJKToRASMatrix(matrix)
        return node

    def paint(self, segment, voxels):
        """Make a segment these voxels, given as IJK of the loaded volume; what other segments have there stays."""
        matrix = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(matrix)
        stroke = slicer.vtkOrientedImageData()
        stroke.SetDimensions(self.volume.GetImageData().GetDimensions())
        stroke.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        stroke.SetImageToWorldMatrix(matrix)
        array = vtk_to_numpy(stroke.GetPointData().GetScalars()).reshape(stroke.GetDimensions()[::-1])
        array[:] = 0
        for i, j, k in voxels:
            array[k, j, i] = 1
        assert self.logic.SetBinaryLabelmapToSegment(stroke, self.segmentation, segment)

    def submit(self, save, name, stored=True):
        """`onSaveLabel`: export every segment, save, hand in; and what the server then has as the image's label."""
        segmentation = self.segmentation.GetSegmentation()
        ids, label_info = vtk.vtkStringArray(), []
        for n in range(segmentation.GetNumberOfSegments()):
            segment_id = segmentation.GetNthSegmentID(n)
            ids.InsertNextValue(segment_id)
            label_info.append({"name": segmentation.GetSegment(segment_id).GetName(), "idx": n + 1})
        label_map = self.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        assert self.logic.ExportSegmentsToLabelmapNode(self.segmentation, ids, label_map, self.volume)
        file = self.folder / f"{name}.handed-in{SUFFIXES.get(save, save)}"
        node = self.segmentation if save in (".seg.nrrd", "cropped.seg.nrrd") else label_map
        storage = node.CreateDefaultStorageNode()
        self.scene.AddNode(storage)
        storage.SetFileName(str(file))
        if save == "cropped.seg.nrrd":
            storage.CropToMinimumExtentOn()
        assert storage.WriteData(node)
        params = {"label_info": label_info, "model": "attention", "client_id": self.client}
        query = urllib.parse.urlencode({"image": self.sample["id"]})
        reply, _ = self.form("PUT", f"/datastore/label?{query}", params, file)
        query = urllib.parse.urlencode({"label": self.sample["id"], "tag": "final"})
        kept = self.folder / f"{name}.stored.nii.gz"
        if stored:
            kept.write_bytes(self.request("GET", f"/datastore/label?{query}")[0])
        layers = segmentation.GetNumberOfLayers(BINARY_LABELMAP)
        return {"reply": json.loads(reply)["xal"], "stored": str(kept), "file": str(file), "layers": layers}

    def infer(self, finding):
        """Run `attention` and import its reply with `updateSegmentationMask`; where Slicer then shows what."""
        params = {"finding": finding, "result_extension": ".nrrd", "result_dtype": "uint8", "client_id": self.client}
        query = urllib.parse.urlencode({"image": self.sample["id"]})
        reply, content_type = self.form("POST", f"/infer/attention?{query}", params)
        form, files = parts(reply, content_type)
        name = next(iter(files))
        file = self.folder / f"{uuid.uuid4().hex}.nrrd"
        file.write_bytes(files[name])
        said = json.loads(form["params"])
        labels = said.get("label_names") or self.info["models"]["attention"]["labels"]
        if isinstance(labels, dict):
            labels = [name for name, _ in sorted(labels.items(), key=lambda item: item[1])]
        ids = vtk.vtkStringArray()
        for label in labels:
            ids.InsertNextValue(label)
        label_map = self.volumes.AddArchetypeVolume(str(file), "reply", LABEL_MAP | ONE_FILE)
        assert self.logic.ImportLabelmapToSegmentationNode(label_map, self.segmentation, ids)
        self.scene.RemoveNode(label_map)
        return {"file": str(file), "said": said, "points": self.points()}

    def points(self):
        """The centres of each segment's voxels in RAS millimetres, by the segment's own geometry."""
        segmentation = self.segmentation.GetSegmentation()
        points = {}
        for n in range(segmentation.GetNumberOfSegments()):
            segment_id = segmentation.GetNthSegmentID(n)
            segment = segmentation.GetSegment(segment_id)
            image = self.segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
            points[segment.GetName()] = []
            if image is None or image.IsEmpty():
                continue
            extent = image.GetExtent()
            values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
            kji = np.argwhere(values == segment.GetLabelValue()) + np.array(extent[4::-2])
            matrix = vtk.vtkMatrix4x4()
            image.GetImageToWorldMatrix(matrix)
            affine = slicer.util.arrayFromVTKMatrix(matrix)
            points[segment.GetName()] = (kji[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]).tolist()
        return points

    # requests

    def json(self, method, path, body=None):
        return json.loads(self.request(method, path, json.dumps(body).encode(), "application/json")[0])

    def form(self, method, path, params, file=None):
        """Multipart, as the module's client encodes it: the file's name is its whole path."""
        boundary = uuid.uuid4().hex
        parts = [f'Content-Disposition: form-data; name="params"\r\n\r\n{json.dumps(params)}'.encode()]
        if file is not None:
            head = f'Content-Disposition: form-data; name="label"; filename="{file}"'
            parts.append(f"{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + file.read_bytes())
        body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
        end = f"--{boundary}--\r\n".encode()
        return self.request(method, path, body + end, f"multipart/form-data; boundary={boundary}")

    def request(self, method, path, body=None, content_type="text/plain"):
        request = urllib.request.Request(self.url + path, body, {"Content-Type": content_type}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.read(), reply.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error


def parts(reply, content_type):
    """Form fields and files of a multipart reply."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form, files = {}, {}
    for part in email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + reply).iter_parts():
        name, file = part.get_param("name", header="content-disposition"), part.get_filename()
        if file:
            files[file] = part.get_payload(decode=True)
        else:
            form[name] = part.get_payload(decode=True).decode()
    return form, files


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text())
    report = {"slicer": importlib.metadata.version("slicer-core"), "images": Agent(job).work()}
    Path(job["report"]).write_text(json.dumps(report))
