"""What open pages are told without asking, and taking an image by name."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise

import pytest
import requests
from harness.room import Room, open_room


class Listener:
    """Reads the stream of a server in the background, as a page does."""

    def __init__(self, url: str) -> None:
        self._reply = requests.get(f"{url}/xal/api/live", stream=True, timeout=30)
        self.media_type = self._reply.headers["content-type"]
        self.states: list[dict] = []
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._reply.iter_lines():
                if line.startswith(b"data: "):
                    self.states.append(json.loads(line[6:]))
        except (requests.RequestException, AttributeError):  # closed while it was read, the reply has no file any more
            pass
        self.ended.set()

    def wait(self, ready, seconds: float = 80) -> dict:
        until = time.monotonic() + seconds
        while not (self.states and ready(self.states[-1])):
            assert time.monotonic() < until, self.states
            time.sleep(0.05)
        return self.states[-1]


@pytest.fixture
def listener(room: Room) -> Listener:
    """It ends with the server: closing it would wait for the next word."""
    return Listener(room.server.url)


def test_a_page_is_told_the_state_at_once_and_whenever_it_changes(room: Room, listener: Listener):
    assert listener.media_type.startswith("text/event-stream")
    first = listener.wait(lambda state: True)
    status = room.server.status()
    assert first.items() >= {key: status[key] for key in ("task", "images", "open", "model_version")}.items()
    image = sorted(room.pictures)[0]
    assert room.server.post(f"/xal/api/images/{image}/exclude", {"reason": "test", "client_id": "dr_x"}).ok
    listener.wait(lambda state: state["excluded"] == first["excluded"] + 1)
    time.sleep(2.5)
    told = list(listener.states)
    assert all(before != after for before, after in pairwise(told)), "nothing changed, and still it was said again"


def test_open_pages_do_not_keep_a_server_from_ending(tmp_path):
    room = open_room(tmp_path, 3)
    room.server.start()
    listener = Listener(room.server.url)
    listener.wait(lambda state: True)
    room.server.terminate()
    assert room.server.exit_code(15) is not None
    assert listener.ended.wait(60)


def test_an_image_is_taken_by_name_by_one_reader_only(room: Room):
    server, image = room.server, sorted(room.pictures)[5]
    first = server.post(f"/xal/api/images/{image}/lease", {"client_id": "ann"}).json()
    assert (first["image"], first["reader"]) == (image, "ann")
    assert first["until"] > time.time() + 3000
    refused = server.post(f"/xal/api/images/{image}/lease", {"client_id": "bob"})
    assert (refused.status_code, refused.json()["detail"]) == (409, f"ann is reading image '{image}'")
    longer = server.post(f"/xal/api/images/{image}/lease", {"client_id": "ann"}).json()
    assert longer["until"] > first["until"]
    assert server.post(f"/xal/api/images/{image}/release", {"client_id": "bob"}).json() == {"released": False}
    assert server.post(f"/xal/api/images/{image}/release", {"client_id": "ann"}).json() == {"released": True}
    assert server.post(f"/xal/api/images/{image}/lease", {"client_id": "bob"}).ok
    given = {server.post("/activelearning/xal", {"client_id": "ann"}).json()["id"] for _ in range(5)}
    assert image not in given


def test_an_excluded_or_unknown_image_cannot_be_taken(room: Room):
    server, image = room.server, sorted(room.pictures)[6]
    server.post(f"/xal/api/images/{image}/exclude", {"reason": "wrong modality", "client_id": "ann"})
    refused = server.post(f"/xal/api/images/{image}/lease", {"client_id": "ann"})
    assert (refused.status_code, refused.json()["detail"]) == (409, f"image '{image}' is excluded: wrong modality")
    assert server.post("/xal/api/images/nowhere/lease", {"client_id": "ann"}).status_code == 404


def test_the_page_may_run_nothing_but_its_own_files(room: Room):
    page = room.server.get("/xal/")
    assert page.ok
    assert '<script type="module" src="app.js">' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert room.server.get("/xal").url.endswith("/xal/")
    script = room.server.get("/xal/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    again = requests.get(f"{room.server.url}/xal/app.js", headers={"if-none-match": script.headers["etag"]}, timeout=10)
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "nothing.js", "vendor/../../pages.py"]
)
def test_nothing_beside_the_page_is_served(room: Room, path: str):
    with requests.Session() as session:
        request = requests.Request("GET", room.server.url).prepare()
        request.url = f"{room.server.url}/xal/{path}"
        assert session.send(request, timeout=10).status_code == 404
