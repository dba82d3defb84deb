"""Where an archive is, and who we say we are; what is shown or logged of it never holds a password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from xal.errors import BadInput

USERNAME, PASSWORD = "MONAI_LABEL_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_PASSWORD"
"""MONAI Label's own variables."""


def is_address(studies: str) -> bool:
    """Whether the studies are an archive and not a folder."""
    return studies.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Address:
    """The root of a DICOMweb service."""

    url: str
    """Without credentials."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, studies: str, environment: Mapping[str, str] = os.environ) -> Self:
        """The address in `studies`, with the credentials that it names, else those of the environment."""
        parts = urlsplit(studies)
        if not is_address(studies) or not parts.hostname:
            raise BadInput("the studies are no address of a DICOMweb server, such as http://host:8042/dicom-web")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        place = host + (f":{parts.port}" if parts.port else "")
        url = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
        if parts.username is not None:
            return cls(url, unquote(parts.username), unquote(parts.password or ""))
        return cls(url, environment.get(USERNAME) or None, environment.get(PASSWORD) or None)

    @property
    def login(self) -> tuple[str, str] | None:
        """What an archive that asks is told."""
        return None if self.username is None else (self.username, self.password or "")

    def as_environment(self) -> dict[str, str]:
        """The credentials as variables, for a server that is started without them on its command line."""
        return {} if self.login is None else dict(zip((USERNAME, PASSWORD), self.login, strict=True))
