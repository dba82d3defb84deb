"""The method, as pure functions on arrays: what an image is worth, and which images make a batch."""
