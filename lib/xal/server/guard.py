"""Who may ask this server anything: the first thing that every request meets.

A page of any site runs in the browser of a reader who visits it, and there it can reach what the reader's machine can
reach. Browsers say which site asks, and no page can change that; so a page's requests are told from a program's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from xal.errors import XalError
from xal.server.address import Listening, ip_address, is_loopback

PAGES = ("/", "/docs", "/xal", "/ohif")
"""Where links of other sites may lead, besides static files. Whatever answers there holds no data."""
_STATIC = ("/xal/", "/ohif/", "/favicon.ico")
_NOT_STATIC = "/xal/api"
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(:(?P<port>\d+))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

OTHER_MACHINE = (
    "This server answers this machine alone, because it has no access control yet. From elsewhere, use an SSH tunnel "
    "(ssh -L 8000:127.0.0.1:8000 THIS_MACHINE), or start it with --conf insecure true if the network is yours alone."
)
OTHER_SITE = (
    "This server answers no pages of other sites: what a site is shown here, it could send anywhere. Open this "
    "server's own pages, or name the site to the server: --conf allowed_origins https://NAME:PORT"
)


@dataclass(frozen=True)
class Rules:
    """Who may ask."""

    hosts: frozenset[str] = frozenset()
    """Names under which the server may be asked for besides those of loopback; without port."""
    origins: frozenset[str] = frozenset()
    """Other sites whose pages may ask for anything."""
    any_address: bool = False
    """Whether any IP address is good for a name: the server listens on all of them. (No name can be made to point here
    by somebody else if no name is used.)"""
    this_machine_only: bool = False
    """Whether callers on other machines are refused."""


@dataclass(frozen=True)
class Asked:
    """What a request says of itself; None where it does not say."""

    method: str = "GET"
    path: str = "/"
    host: str | None = None
    origin: str | None = None
    site: str | None = None
    """`Sec-Fetch-Site`: how the asking page is related to this server."""
    mode: str | None = None
    dest: str | None = None
    client: str | None = None
    """The address that asks."""
    server: str | None = None
    """The address of ours that is asked."""


def rules(listens: Listening, insecure: bool, allowed_hosts: str, allowed_origins: str) -> Rules:
    """The rules for a server that listens there; XalError names a host or an origin that is none."""
    host = ip_address(listens.host)
    everywhere = host is not None and host.is_unspecified
    named = [] if everywhere else [listens.host]
    return Rules(
        hosts=frozenset(_plain(one) for one in (*named, *_hosts(allowed_hosts))),
        origins=frozenset(_origins(allowed_origins)),
        any_address=everywhere,
        this_machine_only=not listens.here_only and not insecure,
    )


def refusal(asked: Asked, rules: Rules) -> str | None:
    """Why a request is refused; None if it may go on."""
    if rules.this_machine_only and not _is_here(asked):
        return OTHER_MACHINE
    if not _is_ours(asked.host, rules):
        return (
            f"This server is not known as {(asked.host or '')[:100]!r}: another site's name may have been made to "
            "point here. If the name is right, start the server with --conf allowed_hosts NAME"
        )
    if _is_foreign(asked, rules) and not _is_for_everybody(asked):
        return OTHER_SITE
    return None


def put_guard(server: Starlette, rules: Rules) -> None:
    """Let `server` ask the guard first, instead of MONAI Label's rule that every site may read every reply.

    MONAI Label imports its app once the server runs, when the layers around the routes are built already: they are
    built anew at the next request.
    """
    server.user_middleware = [Middleware(Guard, rules=rules)]
    if rules.origins:
        server.user_middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(rules.origins),
                allow_credentials=True,
                allow_methods=["*"],
                allow_headers=["*"],
                allow_private_network=True,
            )
        )
    server.middleware_stack = None


class Guard:
    """Refuses what the rules refuse with 403 and the reason, before anything else has seen it."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        reason = refusal(_asked(scope), self._rules) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
            await PlainTextResponse(f"{reason}\n", 403, headers)(scope, receive, send)


def _asked(scope: Scope) -> Asked:
    headers = Headers(scope=scope)

    def said(name: str) -> str | None:
        return ",".join(headers.getlist(name)) or None  # said twice it is neither

    return Asked(
        method=scope.get("method", "GET"),
        path=scope["path"].removeprefix(scope.get("root_path", "")),
        host=said("host"),
        origin=said("origin"),
        site=said("sec-fetch-site"),
        mode=said("sec-fetch-mode"),
        dest=said("sec-fetch-dest"),
        client=(scope.get("client") or (None,))[0],
        server=(scope.get("server") or (None,))[0],
    )


def _is_here(asked: Asked) -> bool:
    """Whether the caller is on this machine: at loopback, or at the very address of ours that it asks."""
    return asked.client is not None and (is_loopback(asked.client) or asked.client == asked.server)


def _is_ours(host: str | None, rules: Rules) -> bool:
    parts = _AUTHORITY.fullmatch(host or "")
    if parts is None:
        return False
    name = _plain(parts["host"])
    address = ip_address(name)
    if is_loopback(name) or name in rules.hosts:
        return True
    return rules.any_address and address is not None and not address.is_unspecified


def _is_foreign(asked: Asked, rules: Rules) -> bool:
    """Whether a page of another site asks.

    What a browser says of the relation counts before the page's name: a proxy may give us another Host than it was
    asked by, and no page can say this itself. Older browsers, and all over plain HTTP, name the page only.
    """
    if asked.origin is not None and asked.origin.lower() in rules.origins:
        return False
    if asked.site == "same-origin":
        return False
    named_another = asked.origin is not None and not _is_same(asked.origin, asked.host or "")
    return named_another or asked.site not in (None, "none")


def _is_same(origin: str, host: str) -> bool:
    """Whether they name one host and port; a proxy before us may speak https to browsers, and http to us."""
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme.lower())
    one, other = _AUTHORITY.fullmatch(authority), _AUTHORITY.fullmatch(host)
    if port is None or one is None or other is None:
        return False
    return (_plain(one["host"]), one["port"] or port) == (_plain(other["host"]), other["port"] or port)


def _is_for_everybody(asked: Asked) -> bool:
    """Whether it neither returns data nor changes anything: a static file, or a link to a page that was followed."""
    if asked.method not in ("GET", "HEAD"):
        return False
    if asked.path.startswith(_STATIC) and not asked.path.startswith(_NOT_STATIC):
        return True
    followed = (asked.origin, asked.mode, asked.dest) == (None, "navigate", "document")
    return followed and asked.path in PAGES


def _plain(host: str) -> str:
    """One way to write a host."""
    address = ip_address(host)
    return host.lower() if address is None else str(address)


def _hosts(allowed: str) -> Iterable[str]:
    for name in _named(allowed):
        parts = _AUTHORITY.fullmatch(name)
        if parts is None or parts["port"] is not None or "*" in name:
            raise XalError(f"--conf allowed_hosts {name}: hosts are names without scheme and port, as xal.example.org")
        yield name


def _origins(allowed: str) -> Iterable[str]:
    for origin in _named(allowed):
        scheme, _, authority = origin.partition("://")
        if scheme not in _DEFAULT_PORTS or "*" in origin or _AUTHORITY.fullmatch(authority) is None:
            raise XalError(
                f"--conf allowed_origins {origin}: origins are scheme, name and port, as https://example.org"
            )
        yield origin


def _named(listed: str) -> list[str]:
    return [name.strip().lower() for name in listed.split(",") if name.strip()]
