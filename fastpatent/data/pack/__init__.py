"""Packed drawings: every drawing of a configuration decoded and resized once, and from then on read as it lies on the disk.

A pack is a folder for one size. `shard` tells its files, `write` makes and repairs them, `reader` reads drawings from them.
"""
