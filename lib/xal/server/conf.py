"""What `--conf KEY VALUE` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from xal.errors import XalError
from xal.exchange.sending import AS_USUAL
from xal.pool.project import ArchiveOptions
from xal.system.limits import Limits
from xal.task import Share


class Conf(Limits):
    """What `--conf KEY VALUE` may say; MONAI Label passes every value as text."""

    task: str = "phantom_2d"
    """A task's name, or the path of a task file."""
    database: str | None = None
    """Where the store lives, e.g. postgresql+psycopg://USER@HOST/NAME; unless set, a SQLite file in STUDIES/.xal.

    It needs a database of its own. Give the password in PGPASSWORD or ~/.pgpass: MONAI Label logs its command line.
    """
    alpha: Share | None = None
    """α until a reviewer sets another; the task's unless set."""
    share_paths: bool = False
    """Tell clients where images lie on disk even if the server can be reached from other machines."""
    scan_seconds: float | None = Field(None, gt=0)
    """How often to look for images that appeared, changed or vanished: every 5 s in a folder, 30 s in an archive."""
    modalities: str = ""
    """Of an archive: which modalities' series are images, by commas; the usual ones for the task if not said."""
    cache_gb: float = Field(20.0, gt=0)
    """Gigabytes on disk for what was fetched from an archive or made from images, and can be had again."""
    send: str = ",".join(AS_USUAL)
    """To an archive: what is written of an annotation: seg, sr, attention, attention_map, by commas; or nothing."""
    roi_names: str = ""
    """From an archive: what ROIs are called that count where an object has several, besides the findings' names."""
    show_patient: bool = False
    """Of an archive: let the page name the patient of the image that is read."""
    auto_train: Literal["never", "first"] | Annotated[int, Field(ge=1)] = 20
    """first: train by itself where the server starts with labels and without a model. A number: also after so many
    new settled labels. never: only when asked."""
    auto_score: bool = True
    """Score by itself when a model is published, an image changes, or another α asks for another batch."""
    reviewers: str = ""
    """Names of the readers who see everything and settle disagreements, separated by commas.

    If there are any, they alone withdraw or revise what others handed in, bring versions back, set α and export.
    """
    outliners: str = ""
    """Names of readers who are asked for outlines without a finding alone, separated by commas.

    They are given the images first on which the model is sure and the ROI that it proposes is not.
    """
    reserve_mb: int = Field(200, ge=0)
    """Megabytes: with less free space labels are still taken, but images, training, scoring and copies wait."""
    backups: int = Field(7, ge=0)
    """How many copies of the store the server keeps in STUDIES/.xal/backups; 0: none. Not of PostgreSQL: dump that."""
    allowed_hosts: str = ""
    """Names under which the server may be asked for, by commas, besides localhost and HOST: what a proxy passes on."""
    allowed_origins: str = ""
    """Other sites whose pages may use this server, by commas, as https://name:port."""
    insecure: bool = False
    """Answer other machines although there is no access control."""

    @property
    def limits(self) -> Limits:
        """What readers and files are held to."""
        return Limits(**self.model_dump(include=set(Limits.model_fields)))

    @property
    def archive(self) -> ArchiveOptions:
        """What concerns an archive's images."""
        named = (name.strip().upper() for name in self.modalities.split(","))
        return ArchiveOptions(tuple(name for name in named if name), self.cache_gb, self.reserve_mb)


def parse_conf(conf: dict[str, str]) -> Conf:
    """Validate `--conf`; XalError names the key, the value and what would be right."""
    try:
        return Conf.model_validate(conf)
    except ValidationError as error:
        detail = error.errors()[0]
        key = detail["loc"][0]
        if detail["type"] == "extra_forbidden":
            raise XalError(
                f"--conf {key}: there is no such setting; there are: {', '.join(Conf.model_fields)}"
            ) from error
        raise XalError(f"--conf {key} {detail['input']}: {detail['msg']}") from error
