"""Drills: what is done to a server that must lose nothing, for minutes, by hand. `make drills` runs them all."""

from harness.server import Server

Server.cold = True
