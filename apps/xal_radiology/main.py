"""The xal app: `monailabel start_server --app apps/xal_radiology --studies DIR`. All of it lives in the package `xal`."""

from xal.server.app import XalApp

__all__ = ["XalApp"]
