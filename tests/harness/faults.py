"""A proxy in front of a real PACS that fails where it is told to, over real HTTP."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import requests

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"}


@dataclass
class Fault:
    """What happens to requests whose "METHOD /path?query" matches."""

    matches: str
    """A regular expression, searched for."""
    status: int | None = None
    """Answered instead of the PACS."""
    retry_after: int | None = None
    """Seconds after which that answer says to ask again."""
    delay: float = 0.0
    """Seconds before anything is answered."""
    cut: int | None = None
    """Hang up after so many bytes of the body."""
    stall: float = 0.0
    """Seconds between the first half of the body and the second."""
    times: int | None = None
    """For so many requests; None: until `heal`."""
    hits: int = 0
    """Requests it has met."""

    def meets(self, request: str) -> bool:
        """Whether this request fails."""
        return (self.times is None or self.hits < self.times) and re.search(self.matches, request) is not None


class OnAir:
    """Whose `_server` answers within `with`."""

    _server: ThreadingHTTPServer

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()  # ends that soon
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class FaultyProxy(OnAir):
    """Passes requests on to `target`, the root of a PACS, except for those that shall fail."""

    target: str
    """An address; user and password in it are passed over: clients bring their own."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Every request, as "METHOD /path?query"."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.target = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.dicom_web = f"{self.url}/dicom-web"

    def fail(self, matches: str, status: int | None = None, **how: float | int | None) -> Fault:
        """From now on, let requests that match fail."""
        fault = Fault(matches, status, **how)  # type: ignore[arg-type]
        with self._lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """From now on, nothing fails."""
        with self._lock:
            self.faults.clear()

    def count(self, matches: str) -> int:
        """How many requests so far match."""
        with self._lock:
            return sum(re.search(matches, request) is not None for request in self.requests)

    def met(self, request: str) -> Fault | None:
        """Note a request; the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            fault = next((fault for fault in self.faults if fault.meets(request)), None)
            if fault:
                fault.hits += 1
            return fault


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.met(f"{self.command} {self.path}")
            if fault and fault.delay:
                time.sleep(fault.delay)
            if fault and fault.status is not None:
                asked = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                self.answer(fault.status, {"Content-Type": "text/plain", **asked}, b"made to fail", None)
                return
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
            try:
                reply = requests.request(
                    self.command, proxy.target + self.path, data=body, headers=headers, timeout=120,
                    allow_redirects=False,
                )  # fmt: skip
            except requests.ConnectionError:
                self.close_connection = True  # as if nobody were there
                return
            passed = {key: value for key, value in reply.headers.items() if key.lower() not in _HOP_BY_HOP}
            self.answer(reply.status_code, passed, reply.content, fault)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815 - http.server's names

        def answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                body = body if fault is None else body[: fault.cut]
                if fault and fault.stall:
                    self.wfile.write(body[: len(body) // 2])
                    time.sleep(fault.stall)
                    body = body[len(body) // 2 :]
                self.wfile.write(body)
            except OSError:  # the client has given up
                self.close_connection = True
            if fault and fault.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
