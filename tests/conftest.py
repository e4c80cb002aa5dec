"""Fixtures every room shares."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository():
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared():
    """The folder of reference outputs and real drawings beside the checkout; a visible skip where it is missing."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip(f"{folder} is not here: reference outputs and real drawings cannot be compared")
    return folder
