import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(scope="session")
def drawings_folder(tmp_path_factory):
    """Twelve identities of four small drawings each, as a `Drawings` data set."""
    root = tmp_path_factory.mktemp("drawings")
    random = np.random.default_rng(0)
    for identity in range(12):
        folder = root / f"design{identity:02d}"
        folder.mkdir()
        corners = random.integers(4, 44, (5, 2))
        for number in range(4):
            sheet = Image.new("1", (48, 48), 1)
            moved = corners + random.integers(-3, 4, corners.shape)
            ImageDraw.Draw(sheet).polygon([tuple(map(int, corner)) for corner in moved], outline=0)
            sheet.save(folder / f"{number}.png")
    return root
