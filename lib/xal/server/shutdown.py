"""The end of the server is the end of the processes it started, and leaves the store as one file.

Python waits at its end for the threads that follow a training or scoring process, so that Ctrl-C would seem to do
nothing until the training is over.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from monailabel.utils.async_tasks.utils import background_executors, processes

logger = logging.getLogger(__name__)

ending = threading.Event()
"""Set once the server was asked to end: what goes on for ever has to stop, because uvicorn waits for its answers."""


def end_children_with_server(then: Callable[[], Any]) -> None:
    """Do so whenever this process is asked to end; whoever listened for that before still hears of it.

    `then` is done when the last request was answered.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # signals are not ours here: the app runs inside another program
    for number in (signal.SIGINT, signal.SIGTERM):
        server = getattr(_before(number), "__self__", None)
    if isinstance(server, uvicorn.Server):
        _after(server, then)


def _before(number: signal.Signals) -> Any:
    """Hear of a signal first; who heard of it until now."""
    previous = signal.getsignal(number)

    def end(received: int, frame: FrameType | None) -> None:
        ending.set()
        end_children()
        if callable(previous):
            previous(received, frame)

    signal.signal(number, end)
    return previous


def _after(server: uvicorn.Server, then: Callable[[], Any]) -> None:
    """Uvicorn ends its process by the signal that it was sent, so nothing that Python does at an end is done."""
    shutdown = server.shutdown

    async def shutdown_and_then(*arguments: Any, **named: Any) -> None:
        await shutdown(*arguments, **named)
        then()

    server.shutdown = shutdown_and_then  # type: ignore[method-assign]


def end_children() -> None:
    """Start nothing more, and end what runs; a training that ends so is simply not published."""
    for executor in list(background_executors.values()):
        executor.shutdown(wait=False, cancel_futures=True)
    for method in ("train", "scoring"):
        for process in list(processes(method).values()):
            logger.info("ending %s process %d", method, process.pid)
            process.kill()
