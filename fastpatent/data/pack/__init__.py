"""Packs: the drawings of a configuration, decoded and resized once and stored as raw pixels.

A pack is a folder for one size. `place` says where it lies, `shard` defines its files, `write` writes and repairs them,
`reader` reads from them.
"""
