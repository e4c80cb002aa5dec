"""A test set of three images whose features are cached, for tests of what is read back."""

from fastpatent.data.records import Sample, Splits


def write_set(folder):
    """Write three files that stand for images, and one for weights, below a folder; return the Splits of one query."""
    (folder / "data").mkdir()
    for name in "abc":
        (folder / "data" / name).write_bytes(name.encode())
    (folder / "net.pth").write_bytes(b"weights")
    samples = [Sample(str(folder / "data" / name), None) for name in "abc"]
    return Splits("Set", [], samples[:1], samples[1:])
