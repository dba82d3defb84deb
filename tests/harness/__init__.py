"""What the tests of the running server share: a real server process, clients, and pools to serve."""
