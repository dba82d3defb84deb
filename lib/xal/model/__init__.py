"""The network: how it is built, trained, judged, and when it may replace the one in use."""
