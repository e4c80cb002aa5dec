"""The page of a test: how a system ranks, where it fails, and on what."""
