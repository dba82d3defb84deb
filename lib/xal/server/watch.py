"""What the server does without being asked: it notices new images and new models, and sees that scores follow."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xal.errors import StoreLost, XalError
from xal.loop import auto_train, first_batch
from xal.loop.auto_train import Often
from xal.loop.next_batch import is_due
from xal.loop.rules import method
from xal.loop.scoring import put_aside
from xal.loop.second_look import look_again
from xal.pool.label_check import Sweep
from xal.pool.obtaining import Later, Patience, Waiting, obtain
from xal.pool.project import Project
from xal.server.prefetch import Prefetch
from xal.server.scoring_requests import scoring_is_due
from xal.server.shutdown import ending
from xal.server.train import are_under_way
from xal.system.pace import Pace
from xal.task import Method

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
RETRY_SECONDS = 60.0
"""After a scoring run that changed nothing, wait so long before trying the same again."""
LONGEST_WAIT_SECONDS = 60.0
"""Between two tries while the source does not answer."""
TIDY_SECONDS = 300.0
GIVE_WAY_SECONDS = 5.0
READ_AHEAD_IMAGES = 100
READ_AHEAD_SECONDS = 0.5
"""Per tick: reading a pool for the first time must not starve those who use the server."""
LEAVE_SECONDS = 3.0
"""How long the end of the server waits for what the watch is doing."""
LOOK_AGAIN_SECONDS = 0.3
"""Per tick, for the same reason; after a large import it goes on for a while."""


class Watch:
    """Background threads of the server: two for what needs the images' source, which may be slow, one for more."""

    def __init__(
        self,
        project: Project,
        ask_for_scoring: Callable[[], Any] | None,
        tidy_up: Callable[[], Any],
        scan_seconds: float,
        errands: Sequence[Callable[[], Any]] = (),
        keeping: Sequence[Callable[[], Any]] = (),
        ask_for_training: Callable[[], Any] = lambda: None,
        auto_train: Often = "never",
    ) -> None:
        """Watch `project`; `ask_for_scoring` is None where scoring is only started by hand.

        `errands` are what else needs the source, `keeping` what keeps that from being lost which the store holds.
        """
        self._project = project
        self._errands = errands
        self._keeping = keeping
        self._ready = Prefetch(project)
        self._later = Waiting()
        self._problems: dict[Callable[[], Any], str | None] = {}
        self._threads: list[threading.Thread] = []
        self._to_say_lost = threading.Lock()
        """Taken, for good, by the first thread that finds the store lost: it says so for all."""
        self._waits: dict[Callable[[], Any], tuple[float, float, str | None]] = {}
        self._ask = ask_for_scoring
        self._ask_for_training = ask_for_training
        self._auto_train = auto_train
        self._has_just_begun = True
        self._tidy_up = tidy_up
        self._tidying = Pace(TIDY_SECONDS)
        self._giving_way = Pace(GIVE_WAY_SECONDS)
        self._space_problem: str | None = None
        self._sweep = Sweep(project)
        self._scans = Pace(scan_seconds)
        self._asked_for: tuple[int, int, tuple[float, Method] | None] | None = None
        self._asked_at = 0.0
        self._first_asked_at: float | None = None

    def start(self) -> None:
        """Begin; the threads end with the server, at the latest with the process."""
        jobs = (self._bury, self._train, self._score)
        for name, duties in (
            ("source", (self.scan, self._read_ahead, *self._errands)),
            ("ready", (self._ready.keep,)),
            ("watch", (self._keep_space, *jobs, self._look_again, self._labels, self._tidy)),
            ("keeping", self._keeping),
        ):
            thread = threading.Thread(target=self._run, args=(duties, name), daemon=True, name=name)
            thread.start()
            self._threads.append(thread)

    def leave(self) -> None:
        """Once the server is ending: wait a moment for the threads to end what they are at."""
        until = time.monotonic() + LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, duties: Sequence[Callable[[], Any]], name: str) -> None:
        """Do these until the server ends: if the watch died silently, the server would no longer notice anything."""
        of_source = name in ("source", "ready")
        if name == "ready":  # so that decoders are set up by one thread, before a second one uses them
            ending.wait(TICK_SECONDS)
        while not ending.is_set():
            for duty in duties:
                if ending.is_set():
                    return
                problem = self._done(duty)
                if of_source:  # everybody sees what keeps it from being looked at
                    self._problems[duty] = problem
                    self._tell(dict(self._problems))
            ending.wait(TICK_SECONDS)

    def _tell(self, problems: Mapping[Callable[[], Any], str | None]) -> None:
        """Of the source's problems; while images cannot be had, no client waits for them either."""
        self._project.source_problem = next(filter(None, problems.values()), None)
        needing = (self.scan, self._read_ahead, self._ready.keep)
        self._project.source.note_away(next(filter(None, map(problems.get, needing)), None))

    def _done(self, duty: Callable[[], Any]) -> str | None:
        """Do it if it is time to; what fails, foreseen or not, is tried again at growing distances. Why it failed."""
        until, wait, problem = self._waits.get(duty, (0.0, 0.0, None))
        if time.monotonic() < until:
            return problem
        wait = min(max(2 * wait, TICK_SECONDS), LONGEST_WAIT_SECONDS)
        try:
            duty()
        except StoreLost as error:  # what every duty meets, until a person has helped
            problem = str(error)
            if self._to_say_lost.acquire(blocking=False):
                logger.error("%s. Stop the server, then restore or rebuild the store: starting it says how", error)
        except XalError as error:
            problem = str(error)
            logger.warning("%s; next try in %.0f s", error, wait)
        except Exception as error:  # noqa: BLE001 - told, and tried again
            problem = f"the images cannot be looked at ({type(error).__name__}); the server's log says more"
            self._project.source.tell(logger, error, "the watch stumbled; next try in %.0f s", wait)
        else:
            self._waits.pop(duty, None)
            return None
        self._waits[duty] = time.monotonic() + wait, wait, problem
        return problem

    def scan(self) -> None:
        """List the images, if it is time to."""
        self._scans.run(self._project.sync)

    def _bury(self) -> None:
        """A job whose process was killed from outside is not said to run."""
        self._project.store.jobs.live_orphans()

    def _train(self) -> None:
        """Begin a training when it is time to, never beside another."""
        project = self._project
        waits = project.space.is_low() or project.source_problem is not None
        if self._auto_train == "never" or waits or are_under_way() or project.store.jobs.running("train"):
            return
        first = self._has_just_begun and auto_train.is_first_due(project, self._auto_train)
        self._has_just_begun = False
        if first or auto_train.is_due(project, self._auto_train):
            logger.info("a training begins by itself: see --conf auto_train")
            auto_train.note_begun(project)
            self._ask_for_training()

    def _score(self) -> None:
        """Ask for scoring when scores, or the images chosen by them, are out of date and nobody is on it."""
        version = self._project.store.versions.current()
        if self._ask is None or self._project.space.is_low() or not scoring_is_due():
            return
        if version is None:
            self._choose_first(self._ask)
            return
        stale, unchosen = (
            self._project.store.predictions.stale_count(version.version),
            is_due(self._project, version.version),
        )
        wanted = (version.version, stale, (self._project.alpha(), method(self._project)) if unchosen else None)
        again = wanted != self._asked_for or time.monotonic() > self._asked_at + RETRY_SECONDS
        if again and (unchosen or (stale and self._has_work(version.version))):
            logger.info("%d images are to be scored with v%d%s", stale, version.version, ", then chosen" * unchosen)
            self._asked_for, self._asked_at = wanted, time.monotonic()
            self._ask()

    def _choose_first(self, ask: Callable[[], Any]) -> None:
        """Without a model, the first images may be chosen by what they look like; not beside a training.

        It is due until it was done once: a run that failed is tried again, as one that scores.
        """
        lately = self._first_asked_at is not None and time.monotonic() <= self._first_asked_at + RETRY_SECONDS
        if lately or are_under_way() or not first_batch.is_due(self._project):
            return
        self._first_asked_at = time.monotonic()
        ask()

    def _has_work(self, version: int) -> bool:
        """Whether an image waits for its score that is not put aside: a run for these alone would do nothing."""
        aside = put_aside(self._project).now()
        waiting = {row.id for row, _ in self._project.store.predictions.stale(version, len(aside) + 1)}
        return not waiting <= aside

    def _look_again(self) -> None:
        """Compare what was just handed in with what others said, and notice what looks wrong."""
        look_again(self._project, LOOK_AGAIN_SECONDS)

    def _labels(self) -> None:
        """See that label files are still what was handed in."""
        self._sweep.go_on(LOOK_AGAIN_SECONDS)

    def _keep_space(self) -> None:
        """Let caches give way to labels, and say once that space is short, and that it is not any more."""
        self._giving_way.run(self._project.give_way)
        problem = self._project.space.problem()
        if (problem is None) != (self._space_problem is None):
            logger.warning("%s", problem or "There is space on the disk again")
        self._space_problem = problem

    def _tidy(self) -> None:
        self._tidying.run(self._tidy_up)

    def _read_ahead(self) -> None:
        """Read images for the first time before anybody asks; the head of the queue is got ready meanwhile.

        Their checksums are then at hand, what cannot be read is known, and a copy of any of them is recognised.
        """
        until, later = time.monotonic() + READ_AHEAD_SECONDS, self._later.now()
        patience = Patience(self._project.source)
        for row in self._project.store.images.unread(READ_AHEAD_IMAGES + len(later)):
            if row.id in later:
                continue
            answer = obtain(self._project, row, self._project.learn, patience)
            if isinstance(answer, Later):
                self._later.add(answer)
                if patience.over:
                    raise answer.error
            if time.monotonic() > until:
                break
