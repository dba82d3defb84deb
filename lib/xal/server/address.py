"""The address this server listens on, and which addresses are this machine's alone."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

from xal.errors import XalError

EVERYWHERE = "0.0.0.0"
"""What MONAI Label listens on where nobody says otherwise."""


@dataclass(frozen=True)
class Listening:
    """What the command line says of the address."""

    host: str = EVERYWHERE
    named: bool = False
    """Whether it was said at all."""

    @property
    def here_only(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def listening(command: list[str] | None = None) -> Listening:
    """How this process was started, or would be with `command`; MONAI Label does not tell the app its address.

    A process that MONAI Label's command line did not start may listen anywhere.
    """
    program, *given = sys.argv if command is None else command
    if Path(program).name not in ("main.py", "monailabel"):
        return Listening()
    parser = argparse.ArgumentParser(add_help=False)  # as MONAI Label reads it, shortened names included
    parser.add_argument("--host", "-i")
    host = parser.parse_known_args(given)[0].host
    return Listening() if host is None else Listening(host, named=True)


def check_open(listens: Listening, insecure: bool) -> None:
    """Refuse to open a server without access control to the network because somebody named such an address."""
    if listens.named and not listens.here_only and not insecure:
        raise XalError(
            f"--host {listens.host} would open the server to the network, and it has no access control yet: use "
            "--host 127.0.0.1 (with an SSH tunnel from elsewhere), or --conf insecure true if the network is yours"
        )


def is_loopback(host: str) -> bool:
    """Whether this is a name or an address under which a machine reaches itself alone."""
    address = ip_address(host)
    return host == "localhost" if address is None else address.is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that is written here, with or without brackets; None for names."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
