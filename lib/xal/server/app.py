"""The MONAI Label app: ties a project to MONAI Label's infer, train, scoring and strategy slots."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from monailabel.config import settings as server_settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.utils.sessions import Sessions

from xal.errors import BadInput, Full, NotFound, Unavailable, XalError
from xal.exchange.adopting import adopt_leftovers
from xal.exchange.arriving import Search
from xal.exchange.monailabel_store import import_at_start
from xal.exchange.sending import Sending, checked_kinds
from xal.exchange.store_copies import Rotation
from xal.loop.auto_train import keep_conf
from xal.loop.decisions import follow_settings, keep_conf_alpha, keep_conf_archive, keep_conf_limits
from xal.loop.reader import readers_in
from xal.loop.submission import forget_drafts
from xal.pool.jobs import mark_as_server, reap_orphans
from xal.pool.notes import Notes
from xal.pool.project import Project
from xal.server.address import check_open, listening
from xal.server.archive_work import Errands
from xal.server.conf import parse_conf
from xal.server.datastore import XalDatastore
from xal.server.guard import rules
from xal.server.infer import AttentionInfer, ClassifierInfer, checked_request
from xal.server.routes import install
from xal.server.scoring import XalScoring
from xal.server.scoring_requests import request_scoring
from xal.server.sessions import remove_expired
from xal.server.shutdown import end_children_with_server
from xal.server.startup import in_words
from xal.server.strategy import strategies
from xal.server.train import ClassifierTrain, request_training
from xal.server.watch import Watch
from xal.sources.address import PASSWORD, USERNAME, Address, is_address
from xal.sources.client import Archive
from xal.system.durable import is_full
from xal.system.temporary_files import use_own_folder
from xal.task import load_task

logger = logging.getLogger(__name__)

FOLDER_SECONDS, ARCHIVE_SECONDS = 5.0, 30.0
"""How often a folder and an archive are listed, unless said."""

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for training and scoring: threads that spin starve the server


class XalApp(MONAILabelApp):  # type: ignore[misc]  # monailabel has no types
    """Active learning by uncertainty and misalignment, for the stock MONAI Label clients."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        """Open the project; nothing here is slow, because training and scoring processes run it too."""
        with in_words():
            chosen = parse_conf(conf)
            check_open(listening(), chosen.insecure)
            self._chosen = chosen
            own = Path(app_dir) / "tasks" / f"{chosen.task}.yaml"
            named = str(own) if own.is_file() else chosen.task
            task = load_task(named)
            self.project = Project.open(
                task, _without_login(studies), chosen.database, chosen.archive, chosen.limits, named
            )
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name=f"xal: {task.title}",
            description="Picks the image where the model is unsure or looks away from the lesion",
            version=_version(),
            labels=list(task.segments),
        )
        self._auto_update_scoring = False  # our watch decides; upstream would queue every method at every click

    @property
    def archive(self) -> Archive | None:
        """Where the images come from, if that is an archive."""
        exchange = self.project.source.exchange
        return exchange.archive if exchange else None

    # MONAI Label's slots

    def init_datastore(self) -> XalDatastore:
        """Images and labels, kept in xal's store."""
        return XalDatastore(self.project)

    def init_infers(self) -> dict[str, Any]:
        """The models."""
        return {"attention": AttentionInfer(self.project), "classifier": ClassifierInfer(self.project)}

    def init_trainers(self) -> dict[str, Any]:
        """The one trainer."""
        return {"classifier": ClassifierTrain(self.project)}

    def init_strategies(self) -> dict[str, Any]:
        """The strategies."""
        return dict(strategies(self.project, self._chosen.share_paths or listening().here_only))

    def init_scoring_methods(self) -> dict[str, Any]:
        """The scoring method."""
        return {"xal": XalScoring(self.project)}

    def _load_sessions(self, load: bool = False) -> Sessions | None:
        """Images that clients bring along lie with all else, unless MONAI Label is told another place."""
        place = server_settings.MONAI_LABEL_SESSION_PATH or str(self.project.workspace.sessions)
        return Sessions(place, server_settings.MONAI_LABEL_SESSION_EXPIRY) if load else None

    # requests

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on the subject of a request; the route has made sure that it may be read."""
        checked_request(request["model"], self._infers, {})
        file, said = self._infers[request["model"]](request)
        return {"file": file, "params": said}

    def batch_infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Refused: what it would write beside the images is what readers must not see."""
        raise BadInput("batch inference is not offered: scoring reads the whole pool (POST /scoring/xal)")

    def infer_wsi(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Refused: whole-slide images are not what tasks describe."""
        raise BadInput("whole-slide inference is not offered")

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """The next image for a reader."""
        strategy = request.get("strategy") or "random"
        if strategy not in self._strategies:
            raise NotFound(f"no strategy {strategy!r}; there are: {', '.join(self._strategies)}")
        reply: dict[str, Any] = self._strategies[strategy](request, self.datastore())
        return reply

    def async_scoring(self, method: str | None = None, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for scoring: at most one run and one waiting, whoever asks."""
        if method not in (None, "", *self._scoring_methods):
            raise NotFound(f"no scoring method {method!r}; there are: {', '.join(self._scoring_methods)}")
        return request_scoring()

    # the server's own life

    def cleanup_sessions(self) -> None:
        """Forget the images that clients brought along, once their time is over."""
        if self._sessions is not None:
            remove_expired(self._sessions)

    def on_init_complete(self) -> None:
        """Called once in the server, not in its child processes: take over, catch up, watch."""
        with in_words():
            self._begin()

    def _begin(self) -> None:
        mark_as_server()
        self._temporary = use_own_folder(self.project.workspace.state)
        _unless_full(
            lambda: reap_orphans(self.project.store),
            lambda: forget_drafts(self.project),
            lambda: keep_conf_alpha(self.project, self._chosen.alpha),
            lambda: keep_conf_archive(self.project, self._chosen.archive),
            lambda: keep_conf_limits(self.project),
            lambda: keep_conf(self.project, self._chosen.auto_train),
        )
        ask = self.async_scoring if self._chosen.auto_score else None
        every = self._chosen.scan_seconds or (FOLDER_SECONDS if self.archive is None else ARCHIVE_SECONDS)
        errands, keeping = self._errands(every), self._keeping()
        by_itself = request_training, self._chosen.auto_train
        watch = Watch(self.project, ask, self.cleanup_sessions, every, errands, keeping, *by_itself)
        end_children_with_server(partial(self._end, watch))
        self._look_first(watch)
        _unless_full(
            self._adopt_leftovers, lambda: import_at_start(self.project), lambda: follow_settings(self.project)
        )
        chosen, listens = self._chosen, listening()
        guard = rules(listens, chosen.insecure, chosen.allowed_hosts, chosen.allowed_origins)
        install(self, readers_in(chosen.reviewers), readers_in(chosen.outliners), chosen.show_patient, guard)
        watch.start()
        if guard.this_machine_only:
            logger.warning("other machines are refused, since there is no access control: see --conf insecure")
        elif not listens.here_only:
            logger.warning("this server may be reached from other machines, and it has no access control: see --host")
        counts = self.project.store.images.counts()
        logger.info(
            "%s: %d images, %d settled, %d open; port %s",
            self.project.task.name,
            counts["total"],
            counts["completed"],
            counts["open"],
            server_settings.MONAI_LABEL_SERVER_PORT,
        )

    def _adopt_leftovers(self) -> None:
        try:
            adopt_leftovers(self.project.store, self.project.workspace.labels, self.project.task)
        except OSError as error:  # they stay where they are until the next start
            logger.error("label files that no annotation names are not looked at: %s", error)

    def _keeping(self) -> tuple[Callable[[], None], ...]:
        """What a lost store would be made anew from."""
        store, keep = self.project.store, self._chosen.backups
        notes = Notes(self.project).keep
        if not keep:
            return (notes,)
        if store.database.url.get_backend_name() != "sqlite":
            logger.info("the server makes no copies of a PostgreSQL database: have it dumped by pg_dump every day")
            return (notes,)
        return (notes, Rotation(store, self.project.workspace.state, keep, self.project.space).turn)

    def _end(self, watch: Watch) -> None:
        """Once the last request was answered: what is kept is one file, and nothing temporary is left."""
        watch.leave()
        try:
            self.project.store.checkpoint()
        except XalError as error:
            logger.warning("%s", error)
        self.project.store.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _errands(self, every: float) -> tuple[Callable[[], None], ...]:
        exchange = self.project.source.exchange
        if exchange is None:
            return ()
        sending = Sending(self.project, exchange, checked_kinds(self._chosen.send))
        errands = Errands(Search(self.project, exchange, self._chosen.roi_names), sending, every)
        return (errands.look, errands.send) if sending.kinds else (errands.look,)

    def _look_first(self, watch: Watch) -> None:
        """List the images; but those of an archive that are known from before are served, and the watch lists them."""
        if self.project.source.fetches and self.project.store.images.counts()["total"]:
            return
        try:
            watch.scan()
        except Unavailable as error:
            logger.warning("%s: the pool is empty until it is back", error)


def _unless_full(*works: Callable[[], object]) -> None:
    """Do what a start would do; on a full disk labels can be taken without, and the next start does it."""
    for work in works:
        try:
            work()
        except Exception as error:
            if not isinstance(error, Full) and not is_full(error):
                raise
            logger.error("left for the next start, because a disk is full: %s", error)


def _without_login(studies: str) -> str:
    """The studies, refused where they hold a password: MONAI Label logs them, and everybody sees a command line."""
    if is_address(studies) and Address.parse(studies, {}).login is not None:
        raise XalError(f"do not name a password in --studies: say it in {USERNAME} and {PASSWORD}, or use `make serve`")
    return studies


def _version() -> str:
    from importlib.metadata import version

    return version("xal")
