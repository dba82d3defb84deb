"""MONAI Label's endpoints, answered by us: same paths, same replies, but off the event loop and refusing clearly.

Upstream's handlers block every client while they work, and fail with 500 (or write outside the studies) on input they
did not expect. These routes stand before them; what is not listed here is upstream's own.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Body, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from monailabel.config import settings as server_settings
from monailabel.utils.async_tasks.task import AsyncTask
from requests_toolbelt import MultipartEncoder
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from xal.errors import BadInput, Conflict, Forbidden, NotFound
from xal.imaging.images import image_id
from xal.loop.blind import BLIND, may_see
from xal.loop.reader import Reader
from xal.loop.shown import shown_before
from xal.loop.submission import FINAL, Receipt
from xal.pool.project import Project
from xal.server import sessions
from xal.server.api import api_router
from xal.server.api.common import Asker, checked_decider
from xal.server.bodies import LimitBodies
from xal.server.connections import watch_connections
from xal.server.datastore import XalDatastore
from xal.server.guard import Rules, put_guard
from xal.server.http import Admin, Annotator, AnyUser, Json, XalRoute, heavy, parse_params, reader_in, received
from xal.server.infer import Subject, checked_request
from xal.server.pages import HEADERS, page_routes
from xal.server.proxy import keep_searches_out_of_logs, proxy_routes
from xal.server.train import check_trainings, training_settings
from xal.sources.client import Archive
from xal.store.rows import JobKind
from xal.system.disk_space import MB
from xal.system.turns import one_request
from xal.system.waiting import patiently
from xal.task import REGION, TrainingSettings

logger = logging.getLogger(__name__)


class App(Protocol):
    """What the routes need of the app: ours, and MONAI Label's own methods."""

    project: Project
    _infers: dict[str, Any]
    _trainers: dict[str, Any]
    _scoring_methods: dict[str, Any]

    @property
    def archive(self) -> Archive | None:
        """Where the images come from, if that is an archive."""

    datastore: Callable[[], Any]
    info: Callable[[], Json]
    sessions: Callable[[], Any]
    next_sample: Callable[[Json], Json]
    infer: Callable[[Json], Json]
    infer_wsi: Callable[[Json], Json]
    scoring: Callable[[Json], Json]
    async_scoring: Callable[..., Json]


def install(app: App, reviewers: frozenset[str], outliners: frozenset[str], show_patient: bool, rules: Rules) -> None:
    """Put our routes in front of MONAI Label's; `reviewers` see everything, `outliners` are asked for outlines alone.

    With `show_patient` the page may name the patient of an archive's image. `rules` say who may ask at all.
    """
    from monailabel.app import app as server

    server.state.xal_reviewers, server.state.xal_outliners = reviewers, outliners
    server.state.xal_show_patient = show_patient and app.archive is not None
    put_guard(server, rules)
    server.user_middleware.append(Middleware(LimitBodies, space=app.project.space))
    watch_connections()
    keep_searches_out_of_logs()
    routes: list[BaseRoute] = [*api_router(app.project).routes]
    ours = (_info(app), _queue(app), _infer(app), _work(app), _images(app), _labels(app), _refused(), _logs())
    for router in (*ours, proxy_routes(app.archive)):
        routes += router.routes
    routes += page_routes()
    # MONAI Label's own copies of OHIF, with scripts of foreign hosts; we serve these files at /ohif/
    server.router.routes[:] = [*routes, *(route for route in server.router.routes if not is_static(route))]
    server.openapi_schema = None


def is_static(route: BaseRoute) -> bool:
    """Whether this is MONAI Label's folder of static files."""
    return isinstance(route, Mount) and route.name == "static"


def _router(prefix: str, tag: str) -> APIRouter:
    return APIRouter(prefix=prefix, tags=[tag], route_class=XalRoute)


def _info(app: App) -> APIRouter:
    router = _router("/info", "App")

    @router.get("/", summary="What this app offers, and how far it is")
    def info(user: AnyUser) -> Json:
        space = app.project.space
        room = {"free_mb": space.free() // MB, "reserve_mb": space.reserve // MB, "problem": space.problem()}
        return {**app.info(), "space": room}

    return router


def _queue(app: App) -> APIRouter:
    router = _router("/activelearning", "ActiveLearning")

    @router.post("/{strategy}", summary="The next image for a reader, leased to that reader")
    def next_sample(
        request: Request, strategy: str, user: AnyUser, params: Annotated[Json | None, Body()] = None
    ) -> Json:
        reader = reader_in(request, params or {}, user)
        sample = app.next_sample({**(params or {}), "strategy": strategy, "reader": reader})
        logger.info("%s is given %s by %s", reader.name, sample.get("id", "nothing"), strategy)
        return sample

    return router


def _infer(app: App) -> APIRouter:
    router = _router("", "Infer")

    @router.post("/infer/wsi/{model}", include_in_schema=False)
    def whole_slide(model: str, user: AnyUser) -> Json:
        return app.infer_wsi({"model": model})

    @router.post("/infer/{model}", summary="Run a model on an image of the pool, of a session, or of this request")
    @heavy
    def infer(
        request: Request,
        model: str,
        user: AnyUser,
        image: str = "",
        session_id: str = "",
        params: Annotated[str, Form()] = "{}",
        file: Annotated[UploadFile | None, File()] = None,
        output: Literal["image", "json", "all", "dicom_seg"] | None = None,
    ) -> Response:
        parsed = parse_params(params)
        checked_request(model, app._infers, parsed)
        if output == "dicom_seg":
            raise BadInput("DICOM names the patient and goes to the archive alone: see --conf send attention")
        reader = reader_in(request, parsed, user)

        def run(subject: Subject) -> Json:
            return app.infer({**parsed, "model": model, "subject": subject, "reader": reader})

        if file is not None:
            with received(file) as upload:
                result = run(Subject(None, upload))
        elif session_id:
            known = app.sessions() is not None and session_id.replace("-", "").isalnum()
            session = app.sessions().get_session(session_id) if known else None
            if session is None:
                raise NotFound(f"no session {session_id!r}: it may have expired")
            result = run(Subject(None, Path(session.image)))
        elif image:
            result = run(Subject(app.project.store.images.get(image), None))
        else:
            raise BadInput("name an image, a session, or send a file")
        return _infer_reply(result, output)

    @router.put("/session/", summary="Bring an image along for a while", tags=["Session"])
    @heavy
    def create_session(
        user: AnyUser, files: Annotated[list[UploadFile], File()], uncompress: bool = False, expiry: int = 0
    ) -> Json:
        if app.sessions() is None:
            raise NotFound("sessions are switched off on this server (MONAI_LABEL_SESSIONS)")
        app.project.space.check("no session is begun")
        return sessions.create(app.sessions(), files, uncompress, expiry)

    return router


def _infer_reply(result: Json, output: str | None) -> Response:
    """What upstream would send: multipart with the file, the file alone, or JSON where there is none."""
    file, said = result["file"], result["params"]
    if file is None:
        if output == "image":
            raise BadInput("this model gives no image: ask for output=json")
        return JSONResponse(said)
    path = Path(file)
    content = path.read_bytes()
    path.unlink()
    if output == "image":
        headers = {"content-disposition": f'attachment; filename="{path.name}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)
    if output == "json":
        return JSONResponse(said)
    encoder = MultipartEncoder(
        {
            "params": (None, JSONResponse(said).body, "application/json"),
            "image": (path.name, content, "application/octet-stream"),
        }
    )
    return Response(encoder.to_string(), media_type=encoder.content_type)


def _work(app: App) -> APIRouter:
    router = _router("", "Train")
    starting = threading.Lock()

    def start(model: str, params: Json, run_sync: bool, enqueue: bool) -> Json:
        if model not in app._trainers:
            raise NotFound(f"no trainer {model!r}; there are: {', '.join(app._trainers)}")
        training_settings(app.project.task.training, params)
        app.project.space.check("no training is started")
        options = {key: value for key, value in params.items() if key in TrainingSettings.model_fields}
        with nullcontext() if run_sync else starting, patiently():
            check_trainings()
            task, detail = AsyncTask.run(
                "train", request=options, params={"model": model}, force_sync=run_sync, enqueue=enqueue
            )
        if task is None:
            raise HTTPException(429, detail)
        return dict(task)

    def stop(method: str, kind: JobKind) -> Json | None:
        running = app.project.store.jobs.running(kind)  # asked first: once it is stopped it does not count as running
        stopped = AsyncTask.stop(method)
        if running is not None and stopped is not None:
            app.project.store.jobs.finish(running.id, "stopped", "stopped by a client")
        return None if stopped is None else dict(stopped)

    @router.post("/train/{model}", summary="Start training")
    def train(
        model: str,
        user: Admin,
        params: Annotated[Json | None, Body()] = None,
        run_sync: bool = False,
        enqueue: bool = False,
    ) -> Json:
        return start(model, params or {}, run_sync, enqueue)

    @router.post("/train/", include_in_schema=False)
    def train_all(user: Admin, params: Annotated[Json | None, Body()] = None, run_sync: bool = False) -> Json:
        options = {name: (params or {}).get(name, {}) for name in app._trainers}
        if not all(isinstance(chosen, dict) for chosen in options.values()):
            raise BadInput(f"training options are an object for each of: {', '.join(options)}")
        return {name: start(name, chosen, run_sync, True) for name, chosen in options.items()}

    @router.delete("/train/", summary="Stop training")
    def stop_training(user: Admin) -> Json | None:
        stopped = stop("train", "train")
        if stopped is None:
            return None
        # Slicer reads the last of these lines without looking whether there is one
        stopped["details"] = deque(stopped.get("details") or ["stopped before it had said anything"], maxlen=20)
        return stopped

    @router.post("/scoring/{method}", summary="Bring the scores of the pool up to date", tags=["Scoring"])
    def score(
        method: str, user: Annotator, params: Annotated[Json | None, Body()] = None, run_sync: bool = False
    ) -> Json:
        if run_sync and method in app._scoring_methods:
            with patiently():
                done: Json = app.scoring({"method": method})
            return done
        return app.async_scoring(method, params)

    @router.post("/scoring/", include_in_schema=False)
    def score_all(user: Annotator, params: Annotated[Json | None, Body()] = None) -> Json:
        return {"xal": {"result": app.async_scoring("xal", params), "detail": None}}

    @router.delete("/scoring/", summary="Stop scoring", tags=["Scoring"])
    def stop_scoring(user: Annotator) -> Json | None:
        return stop("scoring", "score")

    return router


def _images(app: App) -> APIRouter:
    router = _router("/datastore", "Datastore")
    store: XalDatastore = app.datastore()

    @router.get("/", summary="The pool in numbers, or every image and label")
    def listing(user: AnyUser, output: Literal["train", "stats", "all"] | None = None) -> Any:
        return store.json() if output == "all" else store.datalist() if output == "train" else store.status()

    @router.put("/", include_in_schema=False)
    @router.put("/image", summary="Upload an image into the pool")
    @heavy
    def add(
        user: Annotator,
        file: Annotated[UploadFile, File()],
        image: str | None = None,
        params: Annotated[str, Form()] = "{}",
    ) -> Json:
        info = {key: value for key, value in parse_params(params).items() if key != "client_id"}
        with received(file) as upload:
            given = image or image_id(Path(file.filename or "").name)
            return {"image": store.add_image(given, str(upload), info)}

    @router.delete("/", include_in_schema=False)
    @router.delete("/image", summary="Take an image out of the pool; nothing is erased")
    def remove(id: str, user: Admin) -> Json:
        store.remove_image(id)
        return {}

    @router.head("/image", summary="Whether an image exists, and has this checksum")
    def check(image: str, user: AnyUser, check_sum: str | None = None) -> Json:
        with one_request():
            _, checksum = app.project.served(app.project.store.images.get(image))
        if check_sum and check_sum.removeprefix("SHA256:") != checksum:
            raise NotFound("the image has another checksum")
        return {}

    @router.get("/image", summary="Download an image")
    def download(image: str, user: AnyUser) -> FileResponse:
        with one_request():
            path = Path(store.get_image_uri(image))
        return FileResponse(path, filename=path.name)

    @router.get("/image/info", summary="What is known of an image")
    def info(image: str, user: AnyUser) -> Json:
        return store.get_image_info(image)

    @router.put("/image/info", summary="Add to what is known of an image")
    def update(image: str, user: Annotator, info: Annotated[str, Form()] = "{}") -> Json:
        store.update_image_info(image, parse_params(info))
        return {}

    @router.get("/dataset", summary="The annotated images and their labels as ZIP")
    def dataset(user: Annotator, limit_cases: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None) -> FileResponse:
        path = Path(store.get_dataset_archive(limit_cases))
        return FileResponse(path, filename="dataset.zip", background=BackgroundTask(path.unlink))

    return router


def _labels(app: App) -> APIRouter:
    router = _router("/datastore", "Datastore")
    store: XalDatastore = app.datastore()

    @router.put("/label", summary="Hand in a label")
    @heavy
    def save(
        request: Request,
        image: str,
        user: Annotator,
        label: Annotated[UploadFile, File()],
        params: Annotated[str, Form()] = "{}",
        tag: str = FINAL,
    ) -> Json:
        parsed = parse_params(params)
        reader: Reader = reader_in(request, parsed, user)
        if parsed.get("revises") is not None:
            checked_decider(request, reader)
        with received(label) as file:
            receipt = store.hand_in(image, reader.name, file, tag, parsed)
        logger.info("%s handed in %s, revision %d", reader.name, image, receipt.annotation.revision)
        return {"image": image, "label": image, "xal": receipt_reply(receipt)}

    @router.delete("/label", summary="Withdraw a label; its file is kept")
    def withdraw(id: str, tag: str, user: Admin) -> Json:
        store.remove_label(id, tag)
        return {}

    @router.head("/label", summary="Whether an image has a label")
    def check(user: AnyUser, image: str | None = None, label: str | None = None, tag: str = FINAL) -> Json:
        store.get_label_uri(image or label or "", tag)
        return {}

    def checked_sighted(asker: Reader, image: str) -> None:
        """Stock clients do not say who asks: only who does is held to blind reading."""
        if not asker.never_submits and not may_see(app.project, asker, image):
            raise Forbidden(BLIND)

    @router.get("/label", summary="Download the latest label")
    def download(label: str, asker: Asker, tag: str = FINAL) -> FileResponse:
        path = Path(store.get_label_uri(label, tag))
        checked_sighted(asker, label)
        return FileResponse(path, filename=f"{label}.nii.gz")

    @router.get("/label/info", summary="Who handed in the latest label, and what it shows")
    def info(label: str, asker: Asker, tag: str = FINAL) -> Json:
        known = store.get_label_info(label, tag)
        checked_sighted(asker, label)
        return known

    @router.put("/label/info", summary="Refused: annotations are never changed")
    @router.put("/updatelabelinfo", include_in_schema=False)
    def update(label: str, tag: str, user: Annotator) -> Json:
        store.update_label_info(label, tag, {})
        return {}

    return router


def receipt_reply(receipt: Receipt) -> Json:
    """What Slicer shows the reader who has just handed in: the sentence first."""
    annotation, story = receipt.annotation, receipt.annotation.story
    return {
        "message": receipt.sentence,
        "finding": None if annotation.finding == REGION else annotation.finding,
        "region": annotation.finding == REGION,
        "roi_voxels": annotation.roi_voxels,
        "roi_volume_mm3": round(annotation.roi_volume, 3),
        "predicted": story and story.finding,
        "probability": story and story.probability,
        "overlap": story and story.overlap,
        "model_version": story and story.model_version,
        "annotation": annotation.id,
        "revision": annotation.revision,
        "shown": [asdict(drawer) for drawer in shown_before(annotation)],
        "reader": annotation.reader,
        "handed_in_before": not receipt.created,
    }


def _refused() -> APIRouter:
    """Upstream's endpoints that would do harm or can only fail here, each with the reason."""
    router = _router("", "Others")

    @router.post("/batch/infer/{model}", include_in_schema=False)
    def batch(model: str, user: AnyUser) -> None:
        raise BadInput("batch inference is not offered: scoring reads the whole pool (POST /scoring/xal)")

    @router.put("/model/{model}", include_in_schema=False)
    def upload_model(model: str, user: AnyUser) -> None:
        raise BadInput("weights are published by training, which judges them first")

    @router.post("/reload", include_in_schema=False)
    def reload(user: AnyUser) -> None:
        raise Conflict("a running app is not reloaded: restart the server")

    return router


def _logs() -> APIRouter:
    router = _router("/logs", "Others")

    @router.get("/", summary="The last lines of the log; with `refresh`, a browser asks anew after so many seconds")
    def logs(
        user: Admin,
        lines: Annotated[int, Query(ge=1, le=100_000)] = 300,
        refresh: Annotated[int, Query(ge=0, le=3600)] = 0,
    ) -> PlainTextResponse:
        file = Path(server_settings.MONAI_LABEL_APP_DIR) / "logs" / "app.log"
        if not file.is_file():
            raise NotFound("this server keeps no log in its folder")
        with file.open(errors="replace") as log:
            last = deque(log, lines)
        headers = {**HEADERS, "refresh": str(max(refresh, 3))} if refresh else HEADERS
        return PlainTextResponse("".join(last), headers=headers)

    @router.get("/gpu", include_in_schema=False)
    def gpu(user: Admin) -> Response:
        tool = shutil.which("nvidia-smi")
        if tool is None:
            raise NotFound("this machine has no nvidia-smi")
        return Response(subprocess.run([tool], capture_output=True, check=False).stdout, media_type="text/plain")

    return router
