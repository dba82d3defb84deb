"""DICOMweb, as this package needs it: search, fetch, store. Whatever goes wrong is one of our own errors.

Every request is given a time and is tried again, at growing distances, when the archive does not answer or is
overloaded; what a client waits for is tried once, and given up sooner (`waiting.py`). Error texts name neither the
archive's address nor what it said: both can hold what must not be logged.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from xal.errors import NoAnswer, NotFound, Unavailable
from xal.sources.address import Address
from xal.system import waiting

logger = logging.getLogger(__name__)

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote values
for chatty in ("dicomweb_client", "urllib3"):  # they tell what is asked and answered
    logging.getLogger(chatty).setLevel(logging.ERROR)

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
"""Between two bytes: an archive may have to fetch from a tape."""
TRIES = 3
BACKOFF_SECONDS = 0.5
PAGE = 1_000
"""Answers asked for at once."""
TOLD = 10_000
"""After so many answers the log says how far a listing is, which may take minutes."""
_OVERLOADED = (408, 429, 500, 502, 503, 504)
_LOGIN = (401, 403)
_NOT_FOUND, _CONFLICT = 404, 409
_DUPLICATE = 0x0111
"""Why an archive may refuse an object that it has already."""
_NOT_UNDERSTOOD = (
    ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, NotImplementedError, InvalidDicomError,
    struct.error, zlib.error,
)  # fmt: skip
"""What reading an answer that is no JSON or no DICOM raises."""
_CHUNK = 1 << 22
AS_STORED = (("application/dicom", "*"),)
"""No transfer syntax in particular: an archive need not be able to decompress."""


_FIELDS = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID", "InstanceNumber",
    "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_TAGS = {keyword: f"{tag_for_keyword(keyword):08X}" for keyword in _FIELDS}
Answer = dict[str, str]
"""What a search says of a series or an instance: those of the fields above that it knows."""


class _Session(requests.Session):  # type: ignore[misc]  # requests has no types
    """A session whose requests all have a time limit and are tried again."""

    def __init__(self, address: Address, tries: int, read_seconds: float | None) -> None:
        super().__init__()
        self._read_seconds = read_seconds
        self.auth = address.login
        self.trust_env = False  # no .netrc, and no proxy between a server and its archive that nobody asked for
        retry = Retry(
            total=tries,
            backoff_factor=BACKOFF_SECONDS,
            status_forcelist=_OVERLOADED,
            respect_retry_after_header=False,  # a page of maintenance may ask for hours, and readers wait for us
            allowed_methods=None,  # storing an instance again changes nothing: its UID is the same
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=32))

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", (CONNECT_SECONDS, self._read_seconds or READ_SECONDS))
        return super().request(*args, **kwargs)


class Archive:
    """One DICOMweb service."""

    def __init__(self, address: Address, tries: int = TRIES) -> None:
        """Nothing is sent before something is asked."""
        self.address = address
        self._patient = _client(address, _Session(address, tries, None))
        self._hurried = _client(address, _Session(address, 0, waiting.READ_SECONDS))

    @property
    def _client(self) -> DICOMwebClient:
        return self._hurried if waiting.somebody_waits() else self._patient

    def passing_on(self, read_seconds: float) -> requests.Session:
        """A session for requests of somebody who waits: tried once, and given up sooner."""
        return _Session(self.address, 0, read_seconds)

    def series(self, **filters: str) -> Iterator[Answer]:
        """Every series that fits."""
        return self._pages(self._client.search_for_series, "SeriesInstanceUID", filters)

    def instances(self, **filters: str) -> Iterator[Answer]:
        """Every instance that fits."""
        return self._pages(self._client.search_for_instances, "SOPInstanceUID", filters)

    def fetch(self, study: str, series: str, instance: str | None = None) -> Iterator[Dataset]:
        """The instances of a series, or one of them, as they are stored, one at a time."""
        with _translated(), self._missing(series):
            if instance is None:
                yield from self._client.iter_series(study, series, media_types=AS_STORED)
            else:
                yield self._client.retrieve_instance(study, series, instance, media_types=AS_STORED)

    def headers(self, study: str, series: str, instance: str | None = None) -> list[Dataset]:
        """The headers of a series' instances, without pixels; in memory only, for they name the patient."""
        with _translated(), self._missing(series):
            if instance is None:
                found = self._client.retrieve_series_metadata(study, series)
            else:
                found = [self._client.retrieve_instance_metadata(study, series, instance)]
            return [Dataset.from_json(entry, bulk_data_uri_handler=lambda _: None) for entry in found]

    def store(self, objects: Sequence[Dataset]) -> None:
        """Put objects into the archive; done once all of them are there, whoever put them there."""
        for made in objects:  # written as they are, without the length of their head, which OHIF wants
            made.file_meta.FileMetaInformationGroupLength = 0
        with _translated():
            try:
                answer = self._client.store_instances(list(objects))
            except requests.HTTPError as error:
                if error.response.status_code != _CONFLICT:
                    raise
                answer = Dataset.from_json(error.response.json())
        reasons = [int(refused.get("FailureReason") or 0) for refused in answer.get("FailedSOPSequence") or []]
        if any(reason != _DUPLICATE for reason in reasons):
            raise Unavailable(f"the archive refused {len(reasons)} of {len(objects)} objects (reason {reasons[0]})")

    def _pages(self, search: Any, key: str, filters: Mapping[str, str]) -> Iterator[Answer]:
        """Answers until there are no new ones: an archive may give fewer at once than it is asked for."""
        seen: set[str] = set()
        asked = 0
        while True:
            with _translated(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = search(fields=list(_TAGS), search_filters=dict(filters), limit=PAGE, offset=asked)
                page = {one[key]: one for one in map(_plain, found) if key in one}
            new = [one for uid, one in page.items() if uid not in seen]
            if not new:
                return
            seen |= set(page)
            asked += len(found)
            if asked % TOLD < len(found):
                logger.info("the archive has listed %d %s so far", asked, filters.get("Modality", "answers"))
            yield from new

    @contextlib.contextmanager
    def _missing(self, series: str) -> Iterator[None]:
        """Gone is a series that the archive does not find either; anything else that is not found is an outage."""
        try:
            yield
        except requests.HTTPError as error:
            if error.response.status_code != _NOT_FOUND or any(self.series(SeriesInstanceUID=series)):
                raise
            raise NotFound("the archive has no such series any more") from None


def _client(address: Address, session: _Session) -> DICOMwebClient:
    client = DICOMwebClient(address.url, session=session, chunk_size=_CHUNK, permissive_uid=True)
    client.set_http_retry_params(retry=False)  # ours also tries again after broken connections
    return client


def _plain(entry: Mapping[str, Any]) -> Answer:
    """An answer in DICOM's JSON, which pydicom would take fifty times as long to read."""
    values = {keyword: entry.get(tag, {}).get("Value") for keyword, tag in _TAGS.items()}
    return {keyword: str(value[0]) for keyword, value in values.items() if value and value[0] is not None}


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Errors of the network and of answers that make no sense, as ours."""
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code
        if status == _NOT_FOUND:
            raise Unavailable("the archive answers 404: is the address the root of its DICOMweb service?") from None
        if status in _LOGIN:
            raise Unavailable(f"the archive refuses our login ({status}): see docs/PACS.md") from None
        raise Unavailable(f"the archive answers {status}") from None
    except requests.RequestException as error:
        raise NoAnswer(f"the archive does not answer ({type(error).__name__})") from None
    except _NOT_UNDERSTOOD as error:
        raise Unavailable(f"the archive's answer is not understood ({type(error).__name__})") from None
