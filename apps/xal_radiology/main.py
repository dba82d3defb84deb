"""The xal app, as `monailabel start_server --app` wants it: wiring, no logic."""

from xal.server.app import XalApp

__all__ = ["XalApp"]
