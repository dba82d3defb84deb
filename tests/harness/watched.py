"""What a server is like for others while something is done to it."""

from __future__ import annotations

import threading
import time

import psutil
import requests

from harness.server import Server


class Watched:
    """What a server was like while something was sent to it."""

    def __init__(self, server: Server) -> None:
        """Look at `server` until `stop` is called."""
        self.memory, self.slowest = 0, 0.0
        self._server = server
        self._done = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._weigh, self._ask)]
        for thread in self._threads:
            thread.start()

    def _weigh(self) -> None:
        process = psutil.Process(self._server.pid)
        while not self._done.wait(0.01):
            self.memory = max(self.memory, process.memory_info().rss)

    def _ask(self) -> None:
        while not self._done.wait(0.05):
            began = time.perf_counter()
            assert requests.get(f"{self._server.url}/info/", timeout=60).ok
            assert requests.post(f"{self._server.url}/activelearning/xal", json={"client_id": "x"}, timeout=60).ok
            self.slowest = max(self.slowest, time.perf_counter() - began)

    def stop(self) -> None:
        """Look no longer."""
        self._done.set()
        for thread in self._threads:
            thread.join()
