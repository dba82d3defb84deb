"""Serve a task with MONAI Label: what `make serve` runs.

Checks what can be checked before MONAI Label takes seconds to import, copies the sample data on first use, starts the
server as a child and, once it answers, prints what to open.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from xal.errors import BadInput
from xal.server.address import is_loopback
from xal.sources.address import Address, is_address

ROOT = Path(__file__).resolve().parent.parent


STUDIES_VARIABLE = "XAL_STUDIES"


class ServeError(Exception):
    """Said to the user, instead of a traceback."""


def check_host(host: str, insecure: bool) -> None:
    """Refuse to open a server without access control to the network."""
    if not insecure and not is_loopback(host):
        raise ServeError(
            f"HOST={host} would open the server to the network, and it has no access control yet: anybody could read "
            "images and hand in labels. Use HOST=127.0.0.1 (with an SSH tunnel from elsewhere), or INSECURE=1 if the "
            "network is yours alone."
        )


def check_port(host: str, port: int) -> None:
    """Say now that the address cannot be used; uvicorn says so only after MONAI Label is imported."""
    host = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ServeError(f"cannot listen on {host}:{port} ({error}); try make serve PORT=<another>") from error


def sample_studies(task: str, root: Path = ROOT) -> Path:
    """The ignored copy of the task's sample data, made on first use: serving never changes what is committed."""
    source, target = root / "sample_data" / task, root / "var" / task
    if target.is_dir():
        return target
    if not source.is_dir():
        raise ServeError(f"there is no sample data for the task {task!r}; name your images with STUDIES=<folder>")
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # a copy cut short must not look like a whole one
        shutil.copytree(source, Path(folder) / task)
        (Path(folder) / task).rename(target)
    return target


def find_studies(studies: str | None, task: str) -> tuple[str, dict[str, str]]:
    """The folder or DICOMweb address to serve, and its login as variables: MONAI Label logs its command line."""
    if studies is None:
        return str(sample_studies(task)), {}
    if is_address(studies):
        try:
            address = Address.parse(studies)
        except BadInput as error:
            raise ServeError(f"STUDIES: {error}") from error
        return address.url, address.as_environment()
    if not Path(studies).is_dir():
        raise ServeError(f"STUDIES={studies} is not a folder")
    return studies, {}


def parse_settings(given: Sequence[str]) -> dict[str, str]:
    """Settings as KEY=VALUE; what they mean is checked by the app."""
    parted = [setting.partition("=") for setting in given]
    wrong = next((setting for setting, (key, sign, _) in zip(given, parted, strict=True) if not key or not sign), None)
    if wrong is not None:
        raise ServeError(f"CONF={wrong}: settings are KEY=VALUE, with spaces between them")
    return {key: value for key, _, value in parted}


def server_command(studies: str, host: str, port: int, task: str, **conf: str | None) -> list[str]:
    """MONAI Label's own start; as a module, because its shell script picks any `python` and quotes nothing."""
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(ROOT / "apps" / "xal_radiology")]
    command += ["--studies", studies, "--host", host.strip("[]"), "--port", str(port), "--conf", "task", task]
    for key, value in conf.items():
        command += ["--conf", key, value] if value else []
    return command


def base_address(host: str, port: int) -> str:
    """Where a browser on this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def what_to_open(address: str, studies: str, task: str) -> str:
    """What a newcomer does next."""
    viewer = f"\n    OHIF         {address}/ohif/   the archive's studies" if is_address(studies) else ""
    return f"""
  Serving task {task} from {studies}

    the page     {address}/xal/    read, outline, hand in, and see why; queue, progress, review{viewer}
    3D Slicer    module MONAILabel: server {address}, then Next Sample
                 (set your client id in Slicer's MONAI Label settings first: it is your name as a reader)
    REST         {address}/        every endpoint, to try in the browser
    the server   {address}/info/   models, labels and progress

  Ctrl-C stops it. Nothing handed in is lost.
"""


def answers(address: str) -> bool:
    """Whether the server is up."""
    try:
        with urllib.request.urlopen(f"{address}/info/", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def run(command: Sequence[str], address: str, greeting: str, variables: Mapping[str, str]) -> int:
    """Run the server until it ends; greet once it answers; pass our signals on to it."""
    # Its own session: a Ctrl-C reaches it once, through us. Twice would make uvicorn drop what it is answering.
    server = subprocess.Popen(command, cwd=ROOT, start_new_session=True, env={**os.environ, **variables})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, _: server.send_signal(signum))

    def greet() -> None:
        while server.poll() is None:
            if answers(address):
                print(greeting, flush=True)
                return
            time.sleep(0.5)

    threading.Thread(target=greet, daemon=True).start()
    return server.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, copy, start, greet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--studies",
        default=os.environ.pop(STUDIES_VARIABLE, None) or None,
        help=f"folder or DICOMweb address (default: a copy of the task's sample data); with a password better said in "
        f"{STUDIES_VARIABLE}, since everybody on this machine sees command lines",
    )
    parser.add_argument("--task", default="phantom_2d", help="name of a shipped task, or a task file")
    parser.add_argument("--database", help="database URL (default: SQLite inside the studies folder)")
    parser.add_argument("--reviewers", help="readers who see everything and decide where readings differ, by commas")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="any other setting of the app")
    parser.add_argument("--insecure", action="store_true", help="allow a host that others can reach")
    chosen = parser.parse_args(arguments)
    try:
        check_host(chosen.host, chosen.insecure)
        check_port(chosen.host, chosen.port)
        studies, login = find_studies(chosen.studies, chosen.task)
        more = parse_settings(chosen.conf)
    except ServeError as error:
        print(f"make serve: {error}", file=sys.stderr)
        return 2
    address = base_address(chosen.host, chosen.port)
    insecure = "true" if chosen.insecure else None
    conf = {"database": chosen.database, "reviewers": chosen.reviewers, "insecure": insecure, **more}
    command = server_command(studies, chosen.host, chosen.port, chosen.task, **conf)
    return run(command, address, what_to_open(address, studies, chosen.task), login)


if __name__ == "__main__":
    sys.exit(main())
