"""A page of another site, open in a reader's own browser, beside the server on that reader's machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from harness.room import Room, open_room

pytestmark = pytest.mark.e2e

READ = ".then((reply) => reply.text())"
JSON = "headers: { 'content-type': 'application/json' }"
ATTACKS = {
    "a fetch reads": "fetch(`${at}/info/`)" + READ,
    "with credentials": "fetch(`${at}/datastore/?output=all`, { credentials: 'include' })" + READ,
    "an image is read": "fetch(`${at}/datastore/image?image=${image}`)" + READ,
    "a simple POST": "fetch(`${at}/activelearning/xal`, { method: 'POST', body: '{}' })" + READ,
    "a preflighted POST": f"fetch(`${{at}}/activelearning/xal`, {{ method: 'POST', body: '{{}}', {JSON} }})" + READ,
    "a preflighted PUT": "fetch(`${at}/datastore/label?image=${image}`, { method: 'PUT', body: new FormData() })"
    + READ,
    "a preflighted DELETE": "fetch(`${at}/datastore/image?id=${image}`, { method: 'DELETE' })" + READ,
    "a POST nobody reads": "fetch(`${at}/activelearning/xal`, { method: 'POST', mode: 'no-cors' })"
    ".then((reply) => { throw new Error(`${reply.type}: only the server knows`); })",
    "listening": "new Promise((good, bad) => { const live = new EventSource(`${at}/xal/api/live`);"
    " live.addEventListener('state', good); live.onerror = (event) => { live.close(); bad(event); }; })",
    "a picture": "new Promise((onload, onerror) => Object.assign(new Image(),"
    " { onload, onerror, src: `${at}/xal/api/images/${image}/thumbnail.png` }))",
}
"""Each promises something that a page of another site must not get."""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    made = open_room(tmp_path_factory.mktemp("foreign"), 12)
    with made.server:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Another site: the address of its one page, on another port of this machine."""
    (tmp_path / "index.html").write_text("<!doctype html><title>another site</title><p>Good day.</p>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()  # ends that soon
    yield f"http://localhost:{server.server_address[1]}/"
    server.shutdown()


@pytest.fixture
def visitor(chromium: Any, site: str) -> Iterator[Any]:
    """A reader's browser on that page, with what the reader's server answered."""
    context = chromium.new_context()
    context.add_init_script("localStorage.setItem('xal.reader', 'dr_visitor')")
    page = context.new_page()
    page.answers = []
    context.on("response", lambda reply: page.answers.append((reply.status, reply.url)))
    page.goto(site)
    yield page
    context.close()


def answers_of(page: Any, room: Room) -> list[int]:
    return [status for status, url in page.answers if f":{room.server.port}/" in url]


def state_of(room: Room) -> tuple[Any, ...]:
    return room.server.status(), room.server.get("/xal/api/queue", client_id="nobody").json()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_script_of_another_site_gets_nothing_and_changes_nothing(room: Room, visitor: Any, attack: str):
    before, image = state_of(room), sorted(room.pictures)[0]
    script = f"([at, image]) => {ATTACKS[attack]}.then(() => 'it worked', (error) => `${{error}}`)"
    for address in (room.server.url, f"http://localhost:{room.server.port}"):  # another site, and another origin of it
        assert visitor.evaluate(script, [address, image]) != "it worked"
    assert state_of(room) == before


FORM = """([action, method, enctype]) => {
    const made = (tag, what) => Object.assign(document.createElement(tag), what);
    const form = made("form", { method, action, enctype, target: "_blank" });
    form.append(made("input", { name: '{"client_id":"mallory","a":"', value: '"}' }));
    document.body.append(form);
    form.submit();
}"""


@pytest.mark.parametrize("way", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_a_form_of_another_site_is_refused(room: Room, visitor: Any, way: str):
    before = state_of(room)
    for method, path in (("POST", "/activelearning/xal"), ("POST", "/scoring/xal"), ("GET", "/datastore/dataset")):
        with visitor.expect_popup() as opened:
            visitor.evaluate(FORM, [room.server.url + path, method, way])
        opened.value.wait_for_load_state()
        assert "pages of other sites" in opened.value.content(), path
    assert set(answers_of(visitor, room)) == {403}
    assert state_of(room) == before


@pytest.mark.parametrize("path", ["/xal/", "/", "/logs/", "/info/", "/ohif/"])
def test_another_site_frames_nothing_of_ours(room: Room, visitor: Any, path: str):
    visitor.evaluate(
        """(address) => new Promise((done) => {
            const frame = Object.assign(document.createElement("iframe"), { src: address, onload: done });
            document.body.append(frame);
        })""",
        room.server.url + path,
    )
    (frame,) = visitor.frames[1:]
    frame.wait_for_load_state()
    shown = frame.evaluate("document.body.innerText") if not frame.url.startswith("chrome-error") else ""
    assert shown == "" or "pages of other sites" in shown


@pytest.mark.parametrize(("path", "shows"), [("/xal/#/queue", "xal"), ("/", "REST"), ("/docs", "REST"), ("/ohif/", "")])
def test_a_link_of_another_site_leads_to_our_pages(room: Room, visitor: Any, path: str, shows: str):
    visitor.evaluate(
        """(address) => document.body.append(Object.assign(document.createElement("a"),
            { href: address, textContent: "the reading room" }))""",
        room.server.url + path,
    )
    visitor.get_by_role("link", name="the reading room").click()
    visitor.wait_for_url(f"{room.server.url}/**")
    visitor.wait_for_load_state()
    assert shows in visitor.title()
    if path.startswith("/xal/"):
        visitor.locator("section.view.queue").get_by_role("heading").first.wait_for()
    assert 403 not in answers_of(visitor, room), "and once there, they work"


def test_a_link_of_another_site_does_not_lead_to_data(room: Room, visitor: Any):
    visitor.evaluate("(address) => { location.href = address; }", f"{room.server.url}/datastore/?output=all")
    visitor.wait_for_url(f"{room.server.url}/**")
    assert "pages of other sites" in visitor.content()


def test_a_site_that_is_named_may(tmp_path: Path, visitor: Any, site: str, serving: Any):
    friendly = open_room(tmp_path, 12, allowed_origins=site.rstrip("/"))
    serving(friendly.server)
    ask = """(at) => fetch(`${at}/activelearning/xal`, { method: "POST", body: '{"client_id": "dr_portal"}',
        headers: { "content-type": "application/json" } }).then((reply) => reply.json())"""
    assert visitor.evaluate(ask, friendly.server.url)["id"] in friendly.pictures
    listed = visitor.evaluate("(at) => fetch(`${at}/info/`).then((reply) => reply.json())", friendly.server.url)
    assert listed["name"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_rest_interface_is_shown_and_tried_without_any_other_host(room: Room, tabs: Any, path: str):
    tab = tabs(room.server, "dr_rest")
    tab.page.goto(room.server.url + path)
    tab.page.locator(".opblock-get").filter(has_text="/xal/api/status").first.click()
    tab.page.get_by_role("button", name="Try it out").first.click()
    tab.page.get_by_role("button", name="Execute").first.click()
    tab.page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()


def test_the_log_is_shown_without_any_other_host(room: Room, tabs: Any):
    tab = tabs(room.server, "dr_log")
    tab.page.goto(f"{room.server.url}/logs/")
    assert "xal.server.app" in tab.page.inner_text("body")
