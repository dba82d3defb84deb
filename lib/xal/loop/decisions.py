"""What a reviewer decides about the whole: how images are chosen, and which model version is in use."""

from __future__ import annotations

from dataclasses import asdict

from xal.errors import BadInput
from xal.loop.next_batch import is_due, order_at_once
from xal.loop.rules import METHOD
from xal.pool.project import ALPHA, CONF_ALPHA, CONF_ARCHIVE, CONF_LIMITS, ArchiveOptions, Project
from xal.pool.weights import checked_weights
from xal.store.rows import VersionRow
from xal.system.limits import in_force
from xal.task import NO_BALD, Method


def set_alpha(project: Project, alpha: float, by: str) -> None:
    """Weigh uncertainty against misalignment anew, at once; where the task has a batch rule, scoring is then due."""
    project.store.settings.set(ALPHA, alpha, by)
    follow_settings(project)


def set_method(project: Project, method: Method, by: str) -> None:
    """Choose images in another way, at once as far as what is kept of each image says; scoring is due for the rest."""
    if method not in project.task.methods:
        raise BadInput(NO_BALD)
    project.store.settings.set(METHOD, method, by)
    follow_settings(project)


def keep_conf_alpha(project: Project, alpha: float | None) -> None:
    """Let every process know the α that the server was started with; None: with none, so the task's counts again."""
    if project.store.settings.get(CONF_ALPHA) != alpha:
        project.store.settings.set(CONF_ALPHA, alpha, by="server")


def keep_conf_archive(project: Project, options: ArchiveOptions) -> None:
    """Let commands beside the server look for the same images, and keep as much."""
    known = asdict(options) | {"modalities": list(options.modalities)}
    if project.store.settings.get(CONF_ARCHIVE) != known:
        project.store.settings.set(CONF_ARCHIVE, known, by="server")


def keep_conf_limits(project: Project) -> None:
    """Let commands beside the server keep to the same limits."""
    known = in_force().model_dump()
    if project.store.settings.get(CONF_LIMITS) != known:
        project.store.settings.set(CONF_LIMITS, known, by="server")


def follow_settings(project: Project) -> None:
    """Order the queue anew if α or the batch rule changed, or if a killed scoring run left it half ordered."""
    version = project.store.versions.current()
    if version is not None and is_due(project, version.version):
        order_at_once(project, version.version)


def publish_version(project: Project, version: int, by: str) -> VersionRow:
    """Bring a version back into use; its weights must be as they were. The server then scores the pool with it."""
    checked_weights(project.workspace.state, project.store.versions.get(version))
    return project.store.versions.publish(version, by)
