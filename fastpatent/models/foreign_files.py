"""Files that are taken for weights and are none: what they are, by their first bytes, and what to do."""

import re

# How many bytes `foreign_kind` looks at: a tar archive names itself at byte 257.
HEAD = 4096

# What files of other kinds begin with, what they are, and what to do. The first that matches is taken.
KINDS = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"version https://git-lfs", "a Git LFS pointer to a file that is not here; run `git lfs pull` in its repository"),
        (rb"\s*<[!?a-zA-Z]", "an HTML or XML page, as a failed download leaves; download the weights again"),
        (
            rb'\s*\{.*"weight_map"',
            "the index of weights in several files; load them with the library that wrote them, and save one state dict",
        ),
        (rb"\s*[{\[]", "a JSON file, which has no weights"),
        (rb"[\s\x21-\x7e]+\Z", "a text file, which has no weights"),
        (rb"\x80[\0-\5]", "a pickle that torch.save did not write as it does by default; save the state dict by torch.save"),
        (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf", "a compressed file; unpack it and name the file inside"),
        (rb".{257}ustar", "a tar archive; unpack it and name the weights file inside"),
        (rb"\x89HDF", "an HDF5 file, as Keras writes; convert its weights to a state dict of PyTorch"),
        (rb"\x93NUMPY", "a NumPy array without the names of parameters; save a state dict by torch.save"),
        (rb"\x08[\1-\x20][\x12\x1a\x3a]", "an ONNX program; name the checkpoint that it was exported from"),
        (rb"GGUF|ggml", "a file of llama.cpp, whose weights are not PyTorch's"),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|BM|II\*\0|MM\0\*|RIFF.{4}WEBP|%PDF", "an image or a PDF, which has no weights"),
    )
)


def foreign_kind(head: bytes) -> str:
    """Return what a file is that begins with `head`, and what to do, to follow "is"."""
    return next((kind for pattern, kind in KINDS if pattern.match(head)), f"no weights file: it begins with {head[:8]!r}")
