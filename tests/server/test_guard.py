from __future__ import annotations

import pytest

from xal.errors import XalError
from xal.server.address import Listening, check_open, listening
from xal.server.guard import OTHER_MACHINE, OTHER_SITE, Asked, Rules, refusal, rules

HERE = "127.0.0.1:8000"
LOOPBACK = Listening("127.0.0.1", named=True)
EVERYWHERE = Listening()
OWN = Rules()


def made(listens: Listening = LOOPBACK, insecure: bool = False, hosts: str = "", origins: str = "") -> Rules:
    return rules(listens, insecure, hosts, origins)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("127.0.0.1", True),
        ("127.8.9.10:1", True),
        ("localhost:8000", True),
        ("LocalHost", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("localhost.evil.example:8000", False),
        ("127.0.0.1.evil.example:8000", False),
        ("127.0.0.1@evil.example", False),
        ("127.0.0.1:8000,evil.example", False),
        ("0.0.0.0:8000", False),
        ("[::]:8000", False),
        ("10.1.2.3:8000", False),
        ("", False),
        (None, False),
    ],
)
def test_on_loopback_only_names_of_this_machine_are_answered(host: str | None, known: bool):
    said = refusal(Asked(host=host), made())
    assert (said is None) is known
    if said is not None:
        assert "allowed_hosts" in said


@pytest.mark.parametrize(
    ("listens", "allowed", "host", "known"),
    [
        (Listening("xal.example", True), "", "xal.example:8000", True),
        (Listening("xal.example", True), "", "XAL.example", True),
        (Listening("xal.example", True), "", "other.example", False),
        (Listening("10.1.2.3", True), "", "10.1.2.3:8000", True),
        (Listening("10.1.2.3", True), "", "10.1.2.4:8000", False),
        (Listening("10.1.2.3", True), "", "localhost:8000", True),
        (Listening("fd00::0:5", True), "", "[fd00::5]:8000", True),
        (LOOPBACK, "a.example, b.example", "b.example:8443", True),
        (LOOPBACK, "a.example, b.example", "c.example", False),
        # on all addresses, each of them will do: no name can be turned to us where none is used
        (Listening("0.0.0.0", True), "", "10.1.2.3:8000", True),
        (Listening("0.0.0.0", True), "", "[fd00::5]:8000", True),
        (Listening("::", True), "", "10.1.2.3:8000", True),
        (Listening("0.0.0.0", True), "", "0.0.0.0:8000", False),
        (Listening("::", True), "", "[::]:8000", False),
        (Listening("0.0.0.0", True), "", "workstation:8000", False),
        (Listening("0.0.0.0", True), "workstation", "workstation:8000", True),
    ],
)
def test_other_names_are_those_of_host_and_of_the_setting(listens: Listening, allowed: str, host: str, known: bool):
    assert (refusal(Asked(host=host), made(listens, insecure=True, hosts=allowed)) is None) is known


PROGRAM: dict[str, str] = {}
FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://localhost:8000"},
    {"origin": "null"},
    {"origin": "file://"},
    {"origin": "http://127.0.0.1:8000,http://evil.example"},
    {"origin": "http://127.0.0.1:8000@evil.example"},
    {"origin": "http://127.0.0.1:8000", "site": "cross-site"},
    {"site": "cross-site"},
    {"site": "same-site"},
    {"site": "same-origin,cross-site"},
    {"site": "something new"},
]
OURS = [
    PROGRAM,
    {"site": "same-origin"},
    {"site": "none", "mode": "navigate", "dest": "document"},
    {"origin": "http://127.0.0.1:8000"},
    {"origin": "HTTP://127.0.0.1:8000", "site": "same-origin"},
]
FOLLOWED = {"site": "cross-site", "mode": "navigate", "dest": "document"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/info/", "/xal/api/status", "/datastore/image", "/proxy/dicom/studies", "/logs/"])
def test_what_has_data_or_changes_it_is_for_our_pages_and_programs(method: str, path: str):
    for said in OURS:
        assert refusal(Asked(method, path, HERE, **said), OWN) is None, said
    for said in (*FOREIGN, FOLLOWED):
        assert refusal(Asked(method, path, HERE, **said), OWN) == OTHER_SITE, said


@pytest.mark.parametrize("path", ["/xal/", "/xal/app.js", "/ohif/", "/ohif/viewer", "/favicon.ico"])
def test_static_files_are_for_everybody_who_knows_our_name(path: str):
    for said in (*OURS, *FOREIGN, FOLLOWED):
        assert refusal(Asked("GET", path, HERE, **said), OWN) is None, said
        assert refusal(Asked("GET", path, "evil.example", **said), OWN) is not None
    for said in FOREIGN:
        assert refusal(Asked("POST", path, HERE, **said), OWN) == OTHER_SITE, said


@pytest.mark.parametrize("path", ["/", "/docs", "/xal", "/ohif"])
def test_links_of_other_sites_lead_to_pages(path: str):
    assert refusal(Asked("GET", path, HERE, **FOLLOWED), OWN) is None
    for said in FOREIGN:
        assert refusal(Asked("GET", path, HERE, **said), OWN) == OTHER_SITE, said
    for other in ({"dest": "iframe"}, {"dest": "image", "mode": "no-cors"}, {"origin": "https://evil.example"}):
        assert refusal(Asked("GET", path, HERE, **{**FOLLOWED, **other}), OWN) == OTHER_SITE, other
    assert refusal(Asked("POST", path, HERE, **FOLLOWED), OWN) == OTHER_SITE


@pytest.mark.parametrize(
    ("host", "origin", "same"),
    [
        ("xal.example", "https://xal.example", True),
        ("xal.example:443", "https://xal.example", True),
        ("xal.example", "https://xal.example:443", True),
        ("xal.example:8443", "https://xal.example:8443", True),
        ("XAL.example:80", "http://xal.EXAMPLE", True),
        ("xal.example:80", "https://xal.example", False),
        ("xal.example", "https://xal.example:8443", False),
        ("xal.example", "ftp://xal.example", False),
        ("xal.example", "https://xal.example.org", False),
    ],
)
def test_behind_a_proxy_host_and_port_say_who_asks(host: str, origin: str, same: bool):
    own = made(hosts="xal.example")
    assert (refusal(Asked("PUT", "/datastore/label", host, origin=origin), own) is None) is same


def test_a_browser_that_knows_the_relation_is_believed_whatever_host_a_proxy_says():
    asked = {"host": HERE, "origin": "https://xal.example.org"}
    assert refusal(Asked("POST", "/activelearning/xal", site="same-origin", **asked), OWN) is None
    for site in (None, "none", "same-site", "cross-site"):
        assert refusal(Asked("POST", "/activelearning/xal", site=site, **asked), OWN) == OTHER_SITE


def test_pages_of_named_sites_may_do_everything():
    own = made(origins="https://Portal.example, http://other.example:81")
    for origin in ("https://portal.example", "http://other.example:81"):
        assert refusal(Asked("PUT", "/datastore/label", HERE, origin=origin, site="cross-site"), own) is None
    for origin in ("http://portal.example", "https://portal.example:81", "https://a.portal.example", "null"):
        assert refusal(Asked("PUT", "/datastore/label", HERE, origin=origin), own) == OTHER_SITE
    assert refusal(Asked("GET", "/info/", HERE, site="cross-site"), own) == OTHER_SITE, "who asks is not said"


@pytest.mark.parametrize(
    ("client", "server", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.5", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.4", "10.1.2.3", False),
        ("fd00::5", "fd00::6", False),
        (None, None, False),
    ],
)
def test_a_server_on_all_addresses_answers_its_own_machine_until_it_is_told(
    client: str | None, server: str | None, here: bool
):
    asked = Asked("GET", "/xal/", "10.1.2.3:8000", client=client, server=server)
    assert refusal(asked, made(EVERYWHERE)) == (None if here else OTHER_MACHINE)
    assert refusal(asked, made(EVERYWHERE, insecure=True)) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hosts", "https://a.example"),
        ("hosts", "a.example:8000"),
        ("hosts", "*"),
        ("hosts", "*.example"),
        ("origins", "a.example"),
        ("origins", "*"),
        ("origins", "null"),
        ("origins", "https://a.example/"),
        ("origins", "https://*.example"),
    ],
)
def test_a_setting_that_names_nobody_is_refused(setting: str, value: str):
    with pytest.raises(XalError, match=rf"--conf allowed_{setting} .*, as "):
        made(**{setting: f"good.example, {value}" if setting == "hosts" else f"https://good.example, {value}"})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("main.py start_server --host 127.0.0.1", LOOPBACK),
        ("main.py start_server -i localhost", Listening("localhost", True)),
        ("main.py start_server --host=::1", Listening("::1", True)),
        ("main.py start_server -i127.0.0.1", LOOPBACK),
        ("main.py start_server --host 127.0.0.1 --ho 0.0.0.0", Listening("0.0.0.0", True)),
        ("/usr/bin/monailabel start_server -a app -c task x --conf host 127.0.0.1", EVERYWHERE),
        ("main.py start_server", EVERYWHERE),
        ("app.py -m train --host 127.0.0.1", EVERYWHERE),
        ("uvicorn monailabel.app:app --host 127.0.0.1", EVERYWHERE),
    ],
)
def test_the_command_line_says_where_the_server_listens(command: str, expected: Listening):
    assert listening(command.split()) == expected
    assert expected.here_only is (expected.host in ("127.0.0.1", "localhost", "::1")), "paths are shared only there"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "xal.example", "127.0.0.1.evil.example"])
def test_a_named_address_that_others_reach_is_refused_unless_it_is_meant(host: str):
    with pytest.raises(XalError, match=f"--host {host} would open"):
        check_open(Listening(host, named=True), insecure=False)
    check_open(Listening(host, named=True), insecure=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1"])
def test_loopback_needs_no_leave(host: str):
    check_open(Listening(host, named=True), insecure=False)


def test_no_address_needs_no_leave_since_others_are_not_answered():
    check_open(EVERYWHERE, insecure=False)
