"""The xal app, started by `monailabel start_server --app apps/xal_radiology --studies DIR`: wiring, no logic."""

from xal.server.app import XalApp

__all__ = ["XalApp"]
