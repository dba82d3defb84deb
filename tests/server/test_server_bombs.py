"""A server under what a stranger would send it: it is refused, nothing of it stays, and others are served meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from harness import bombs
from harness.disk import small_disk
from harness.pools import FINDINGS, write_label, write_pool, write_task
from harness.room import Room, open_room
from harness.server import Server
from harness.watched import Watched

from xal.server.bodies import _most

GIGABYTE = 1e9
SLOWEST = 15.0
"""Seconds, where a neighbour has the cores; on an idle machine the drill of the bombs measures what it takes."""
INFO = {"label_info": [{"name": "disc", "idx": 1}], "client_id": "mallory"}


@contextmanager
def others_are_served(server: Server) -> Iterator[None]:
    """Two requests together are not kept waiting, and the server takes less than 2 GB, while this goes on."""
    watched = Watched(server)
    try:
        yield
    finally:
        watched.stop()
    assert watched.memory < 2 * GIGABYTE, f"{watched.memory / GIGABYTE:.2f} GB"
    assert watched.slowest < SLOWEST, f"{watched.slowest:.1f} s"


def put_label(server: Server, image: str, name: str, content: bytes) -> requests.Response:
    return requests.put(
        f"{server.url}/datastore/label",
        params={"image": image},
        data={"params": json.dumps(INFO)},
        files={"label": (name, content)},
        timeout=120,
    )


def put_image(server: Server, name: str, content: bytes, image: str = "new") -> requests.Response:
    return requests.put(
        f"{server.url}/datastore/image", params={"image": image}, files={"file": (name, content)}, timeout=120
    )


def state_of(room: Room) -> tuple[object, ...]:
    listing = room.server.get("/datastore/", output="all").json()
    return listing, sorted(path.name for path in (room.folder / "studies").iterdir())


@pytest.mark.parametrize("kind", ["label", "image", "zip"])
def test_small_files_that_stand_for_large_ones(room: Room, kind: str):
    server, image = room.server, sorted(room.pictures)[0]
    sent: dict[str, Callable[[str, bytes], requests.Response]] = {
        "label": lambda name, content: put_label(server, image, name, content),
        "image": lambda name, content: put_image(server, name, content),
        "zip": lambda name, content: requests.put(
            f"{server.url}/session/", params={"uncompress": True}, files={"files": (name, content)}, timeout=120
        ),
    }
    made = {
        what: (name, make())
        for what, (name, make) in {"label": bombs.LABELS, "image": bombs.IMAGES, "zip": bombs.ZIPS}[kind].items()
    }
    before = state_of(room)
    with others_are_served(server):
        for what, (name, content) in made.items():
            until = time.monotonic() + 120
            while True:
                began = time.perf_counter()
                reply = sent[kind](name, content)
                if reply.status_code != 503 or time.monotonic() > until:  # busy with what an earlier test had sent
                    break
                time.sleep(0.5)
            assert reply.status_code in (400, 413), f"{what}: {reply.status_code} {reply.text}"
            assert time.perf_counter() - began < SLOWEST, what
    assert state_of(room) == before


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_while_it_arrives(room: Room, announced: bool):
    megabyte = os.urandom(1 << 20)
    head = b'--b\r\nContent-Disposition: form-data; name="label"; filename="l.nii.gz"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(257):
            yield megabyte

    url = f"{room.server.url}/datastore/label?image={sorted(room.pictures)[0]}"
    before = state_of(room)
    with others_are_served(room.server):
        content = b"".join(body()) if announced else body()
        reply = requests.put(url, data=content, headers=headers, timeout=60)
    assert reply.status_code == 413
    assert "256 MB at most (max_label_mb)" in reply.text
    assert state_of(room) == before


def test_a_request_without_a_file_may_not_be_large(room: Room):
    reply = requests.post(
        f"{room.server.url}/activelearning/xal",
        data=b"[" * 5_000_000,
        headers={"content-type": "application/json"},
        timeout=60,
    )
    assert reply.status_code == 413
    assert room.server.post("/activelearning/xal", {"client_id": "x"}).ok, "the next one is taken"


def test_a_form_has_few_fields(room: Room):
    fields = {f"k{n}": (None, b"x" * 1_000_000) for n in range(100)}
    with others_are_served(room.server):
        reply = requests.put(f"{room.server.url}/session/", files=fields, timeout=60)
    assert reply.status_code == 400
    assert "Too many fields" in reply.text


def test_forty_five_images_at_once_keep_nobody_waiting(room: Room):
    """The largest that are allowed: each takes seconds and 1.4 GB."""
    content = bombs.png(12_600)
    light = sorted(room.pictures)[3]
    with others_are_served(room.server), ThreadPoolExecutor(45) as threads:
        sent = [threads.submit(put_image, room.server, "i.png", content, f"large_{n}") for n in range(45)]
        time.sleep(0.5)
        began = time.perf_counter()
        room.hand_in(light, "reader")
        assert time.perf_counter() - began < SLOWEST
        replies = [one.result() for one in sent]
    codes = Counter(reply.status_code for reply in replies)
    assert set(codes) <= {200, 503}, codes
    assert all(reply.headers["retry-after"] for reply in replies if reply.status_code == 503)
    assert codes[200] >= 1


def test_trainings_that_wait_are_counted(tmp_path: Path):
    room = open_room(tmp_path, 12, max_trainings=2)
    with room.server as server:
        codes = [server.post("/train/classifier?enqueue=true", {}).status_code for _ in range(5)]
        assert codes[:2] == [200, 200]
        assert 429 in codes[2:]
        assert "max_trainings" in server.post("/train/classifier?enqueue=true", {}).text or codes.count(429) < 3


def test_invented_names_do_not_take_all_images(tmp_path: Path):
    room = open_room(tmp_path, 20, max_leases=5)
    with room.server as server:
        first = server.post("/activelearning/xal", {"client_id": "ada"}).json()["id"]
        room.hand_in(first, "ada")
        for number in range(25):
            server.post("/activelearning/xal", {"client_id": f"invented {number}"})
        given = []
        for _ in range(8):
            given.append(server.post("/activelearning/xal", {"client_id": "ada"}).json()["id"])
            room.hand_in(given[-1], "ada")
        assert len(set(given)) == 8


def test_what_is_no_image_file_is_named_and_everything_goes_on(tmp_path: Path):
    room = open_room(tmp_path, 12)
    studies = tmp_path / "studies"
    os.mkfifo(studies / "pipe.png")
    (studies / "zero.png").symlink_to("/dev/zero")
    (studies / "out.png").symlink_to(room.label(sorted(room.pictures)[0]))
    (studies / "bomb.png").write_bytes(bombs.png(20_000))
    with room.server as server:
        (studies / "series").mkdir()
        os.mkfifo(studies / "series" / "1.dcm")
        (studies / "series" / "2.dcm").write_bytes(bombs.dicom(8, 8, 1))
        names = {"pipe", "zero", "out", "bomb", "series"}
        server.wait(lambda: server.status()["unreadable"] == len(names), 30, "problems")
        problems = {row["id"]: row["problem"] for row in server.get("/xal/api/problems").json()["items"]}
        assert set(problems) == names
        assert "is a FIFO" in problems["pipe"]
        assert "holds '1.dcm', which is a FIFO" in problems["series"]
        assert "link out of the studies folder" in problems["zero"]
        assert "link out of the studies folder" in problems["out"]
        assert "max_voxels" in problems["bomb"]
        for image in sorted(room.pictures)[:6]:
            room.hand_in(image, "ada")
        server.train(max_epochs=1)
        assert server.wait_scored()["unreadable"] == len(names)
        memory = psutil.Process(server.pid).memory_info().rss
        assert memory < 2 * GIGABYTE
        os.kill(server.pid, signal.SIGTERM)
        server.exit_code(15)


def test_what_no_reply_could_hold_is_refused_and_listings_go_on(room: Room):
    server, image = room.server, sorted(room.pictures)[5]
    half = r'{"k": "\ud800"}'
    sent = requests.put(f"{server.url}/datastore/image/info?image={image}", data={"info": half}, timeout=30)
    assert sent.status_code == 400
    with room.label(image).open("rb") as file:
        said = {"label_info": [{"name": name} for name in FINDINGS]}
        reply = requests.put(
            f"{server.url}/datastore/label?image={image}",
            data={"params": json.dumps(said)[:-1] + r', "k": "\ud800"}'},
            files={"label": ("l.nii.gz", file)},
            timeout=30,
        )
    assert reply.status_code == 400
    assert server.get("/datastore/", output="all").ok


def test_alpha_true_is_no_number(room: Room):
    reply = requests.put(f"{room.server.url}/xal/api/settings/alpha", json={"alpha": True}, timeout=30)
    assert reply.status_code == 422
    assert "number" in reply.text


@pytest.mark.parametrize("named", [True, False])
def test_sessions_lie_with_all_else_unless_another_place_is_named(tmp_path: Path, named: bool):
    room = open_room(tmp_path, 3)
    place = tmp_path / "elsewhere" if named else tmp_path / "studies" / ".xal" / "sessions"
    room.server.environment = {"MONAI_LABEL_SESSION_PATH": str(place) if named else "", "HOME": str(tmp_path)}
    picture = (tmp_path / "studies" / f"{sorted(room.pictures)[0]}.png").read_bytes()
    with room.server as server:
        reply = requests.put(f"{server.url}/session/", files={"files": ("a.png", picture)}, timeout=30)
        assert reply.ok, reply.text
        assert (place / reply.json()["session_id"] / "a.png").read_bytes() == picture
        assert "session_id" not in server.get("/xal/api/problems").text
    assert not (tmp_path / ".cache" / "monailabel").exists()


def test_an_upload_for_which_there_is_no_space_is_refused_before_it_is_kept(tmp_path: Path):
    with small_disk(tmp_path / "disk", 96) as disk:
        pictures = write_pool(disk.folder / "studies", 3)
        server = Server(tmp_path / "server", disk.folder / "studies", str(write_task(tmp_path)), reserve_mb=30)
        with server:
            before = disk.free()
            assert before > 40e6
            reply = put_image(server, "i.png", os.urandom(28 << 20))
            assert (reply.status_code, "reserved for labels" in reply.text) == (507, True)
            assert before - disk.free() < 1e6
            label = write_label(tmp_path / "label.nii.gz", pictures[0])
            assert server.submit(pictures[0].id, label, list(FINDINGS)).ok


def test_a_prefix_that_a_proxy_adds_is_no_part_of_what_is_asked():
    scope = {"type": "http", "method": "PUT", "path": "/p/datastore/label", "root_path": "/p"}
    assert _most(scope) == _most({**scope, "path": "/datastore/label", "root_path": ""})
