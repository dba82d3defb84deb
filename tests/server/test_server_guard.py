"""Who is answered by a server that runs: every route of it, asked as pages of other sites would."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from harness.elsewhere import Elsewhere, elsewhere
from harness.pools import FINDINGS
from harness.room import Room, open_room

FOREIGN = {
    "origin": {"Origin": "https://evil.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "null": {"Origin": "null"},
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "frame": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "rebound": {"Host": "evil.example"},
    "rebound, same-origin": {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
UNDOCUMENTED = [
    "/",
    "/docs",
    "/openapi.json",
    "/proxy/dicom/studies",
    "/proxy/dicom/wado/studies",
    "/proxy/else",
    "/batch/infer/x",
    "/infer/wsi/x",
    "/model/x",
    "/model/info/x",
    "/reload",
    "/logs/gpu",
    "/train/",
    "/scoring/",
    "/datastore/updatelabelinfo",
    "/session/x",
    "/xal",
    "/ohif",
    "/nothing/here",
    "/static/ohif/index.html",
]
STATIC = ["/xal/", "/xal/app.js", "/xal/rest.js", "/ohif/", "/ohif/app-config.js", "/ohif/viewer", "/favicon.ico"]
FOLLOWED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def routes(room: Room) -> list[tuple[str, str]]:
    """Every method of every route that is documented, each also in methods that it does not have; and the others."""
    paths = [re.sub(r"\{[^}]+\}", "x", path) for path in room.server.get("/openapi.json").json()["paths"]]
    assert len(paths) > 40
    return [(method, path) for path in dict.fromkeys([*paths, *UNDOCUMENTED]) for method in METHODS]


def state(room: Room) -> dict:
    """What requests change; the watch may still be looking again at what earlier tests handed in."""
    return {name: value for name, value in room.server.status().items() if name != "looked_at"}


def ask(room: Room, method: str, path: str, **headers: str) -> requests.Response:
    return requests.request(method, room.server.url + path, headers=headers, timeout=30, allow_redirects=False)


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_no_route_answers_pages_of_other_sites(room: Room, headers: dict[str, str]):
    before = state(room)
    with requests.Session() as session:
        for method, path in routes(room):
            reply = session.request(method, room.server.url + path, headers=headers, timeout=30, allow_redirects=False)
            assert reply.status_code == 403, (method, path)
            assert not [name for name in reply.headers if name.lower().startswith("access-control-")], (method, path)
            if method != "HEAD":
                assert "--conf allowed_" in reply.text, (method, path)
                assert reply.headers["content-type"].startswith("text/plain")
    assert state(room) == before


def test_static_files_are_the_only_exception(room: Room):
    for path in STATIC:
        for headers in FOREIGN.values():
            expected = 403 if "Host" in headers else 200
            assert ask(room, "GET", path, **headers).status_code == expected, (path, headers)
            assert ask(room, "POST", path, **headers).status_code == 403, (path, headers)


def test_links_lead_to_pages_and_to_nothing_else(room: Room):
    followed = {path for method, path in routes(room) if method == "GET" and ask(room, "GET", path, **FOLLOWED).ok}
    assert followed == {"/", "/docs", "/xal", "/ohif"}


OWN_DATA = ("/info/", "/xal/api/status", "/datastore/", "/logs/", "/openapi.json", "/xal/", "/ohif/")


@pytest.mark.parametrize("who", ["a program", "our page", "our page under its other name", "typed"])
def test_programs_and_our_own_pages_go_on(room: Room, who: str):
    server = room.server
    headers = {
        "a program": {},
        "our page": {"Origin": server.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        "our page under its other name": {
            "Host": f"localhost:{server.port}",
            "Origin": f"http://localhost:{server.port}",
        },
        "typed": {**FOLLOWED, "Sec-Fetch-Site": "none"},
    }[who]
    for path in OWN_DATA:
        reply = ask(room, "GET", path, **headers)
        assert reply.status_code == 200, (path, reply.text)
        assert "access-control-allow-origin" not in reply.headers
    wanted = {"client_id": who}
    sample = requests.post(f"{server.url}/activelearning/xal", json=wanted, headers=headers, timeout=30)
    image = sample.json()["id"]
    with room.label(image).open("rb") as label:
        reply = requests.put(
            f"{server.url}/datastore/label",
            params={"image": image},
            data={"params": json.dumps({"label_info": [{"name": name} for name in FINDINGS], **wanted})},
            files={"label": (f"{image}.nii.gz", label)},
            headers=headers,
            timeout=30,
        )
    assert reply.status_code == 200, reply.text


def test_named_sites_are_answered_under_named_hosts_and_nobody_else(tmp_path: Path):
    portal, proxied = "https://portal.example:8443", {"Host": "xal.example", "Origin": "https://xal.example"}
    room = open_room(tmp_path, 12, allowed_origins=portal, allowed_hosts="xal.example")
    wish = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-reader"}
    with room.server:
        asked = ask(room, "OPTIONS", "/datastore/label", Origin=portal, **wish)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == portal
        assert "PUT" in asked.headers["access-control-allow-methods"]
        assert asked.headers["access-control-allow-headers"] == "x-reader"
        reply = ask(room, "GET", "/info/", Origin=portal, **{"Sec-Fetch-Site": "cross-site"})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, portal)
        assert "Origin" in reply.headers["vary"]
        for headers in FOREIGN.values():
            for refused in (ask(room, "GET", "/info/", **headers), ask(room, "OPTIONS", "/info/", **headers, **wish)):
                assert refused.status_code == 403
                assert "access-control-allow-origin" not in refused.headers
        assert ask(room, "GET", "/info/", **proxied).status_code == 200
        assert "access-control-allow-origin" not in ask(room, "GET", "/info/", **proxied).headers


def test_the_log_is_text_of_as_many_lines_as_were_asked_for(room: Room):
    for wrong in (-5, 0, 100_001):
        reply = room.server.get("/logs/", lines=wrong)
        assert (reply.status_code, reply.json()["detail"][0]["loc"]) == (422, ["query", "lines"])
    reply = room.server.get("/logs/", lines=2, refresh=1)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert len(reply.text.splitlines()) == 2
    assert reply.headers["refresh"] == "3"


@pytest.mark.parametrize("path", ["/", "/docs", "/logs/"])
def test_pages_for_administrators_name_no_other_host_and_run_nothing_inline(room: Room, path: str):
    reply = room.server.get(path)
    assert reply.status_code == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    if reply.headers["content-type"].startswith("text/html"):
        assert "//" not in reply.text.replace("<!doctype html>", "")
        assert re.findall(r"<script[^>]*>[^<]", reply.text) == []


# other machines


@pytest.fixture(scope="module")
def other_machine() -> Iterator[Elsewhere]:
    with elsewhere() as made:
        yield made


ASK = (
    "import sys, http.client\n"
    "link = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)\n"
    "link.request('GET', sys.argv[3])\n"
    "reply = link.getresponse()\n"
    "print(reply.status, reply.read().decode())\n"
)


def asked_from(machine: Elsewhere, room: Room, path: str) -> str:
    done = machine.run([sys.executable, "-c", ASK, machine.here, str(room.server.port), path])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_an_address_only_this_machine_is_answered_until_told(tmp_path: Path, other_machine: Elsewhere):
    room = open_room(tmp_path / "one", 12, host=None)
    with room.server:
        for path in ("/info/", "/xal/", "/favicon.ico", "/datastore/image?image=x"):
            said = asked_from(other_machine, room, path)
            assert said.startswith("403 This server answers this machine alone"), path
            assert "--conf insecure true" in said
        assert room.server.get("/info/").ok
        assert requests.get(f"http://{other_machine.here}:{room.server.port}/info/", timeout=30).ok, "our own address"
        assert "other machines are refused" in room.server.tail(200)
    room = open_room(tmp_path / "two", 12, host=None, insecure="true")
    with room.server:
        assert asked_from(other_machine, room, "/info/").startswith("200 ")
        assert asked_from(other_machine, room, "/xal/").startswith("200 ")
        assert ask(room, "GET", "/info/", Host="evil.example").status_code == 403


def test_a_named_address_that_others_reach_ends_the_start_with_one_line(tmp_path: Path):
    server = open_room(tmp_path, 12, host="0.0.0.0").server
    with pytest.raises(AssertionError, match="the server ended with 3"):
        server.start()
    log = server.log.read_text()
    (said,) = [line for line in log.splitlines() if "--host 0.0.0.0 would open the server to the network" in line]
    assert "--conf insecure true" in said
    assert "Traceback" not in log
    assert not (Path(server.studies) / ".xal").exists(), "nothing was begun"


def test_a_named_address_is_served_if_it_is_meant(tmp_path: Path):
    room = open_room(tmp_path, 12, host="0.0.0.0", insecure="true")
    with room.server:
        assert ask(room, "GET", "/info/").ok
        assert "no access control" in room.server.tail(200)
