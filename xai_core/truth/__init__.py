"""Models whose truth is known because they were built that way, and the pictures that go with them."""
