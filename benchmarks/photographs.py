"""Photographs as queries: how often the design is found, by the photograph as it is and by its black lines on white.

Usage: python benchmarks/photographs.py [--designs N] [--seed S]

Of each invented design the gallery has one line drawing. Its queries are two rendered photographs: of the object, coloured,
with a shadow on plain or textured ground, from a camera turned by up to TURN degrees; and of the drawing, printed on a sheet
that is seen askew and unevenly lit. Both have noise and are JPEG. Of each query the rank of its design among all, by the
network in the box. "Taken for a sheet": share of the photographs that are by `is_drawing`.
"""

import argparse
import io
import shlex
import sys

import cv2
import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from fastpatent import log
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG
from fastpatent.data.records import Sample
from fastpatent.device import cpu_name, set_up_device, versions
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.retrieval.distance import normalise
from fastpatent.search.photograph import edge_map, is_drawing
from fastpatent.synthetic.camera import patent_views
from fastpatent.synthetic.drawing import View, draw
from fastpatent.synthetic.scene import Scene
from fastpatent.synthetic.sheets import random_object, random_style

TURN = 4  # degrees, of azimuth and of elevation
LONG, MARGIN, SHEET_WIDTH, SHEET_MARGIN = 900, 120, 1100, 60  # pixels
LIGHT = np.array([-0.5, -0.6, -0.62])  # direction to it: from the left, above and the viewer
TEXTURES = (0, 0.03, 0.1)  # standard deviation of the ground's brightness, by that of the ground
GRAINS = (1, 4)  # pixels: least and largest width of the texture
NOISE = 0.02  # standard deviation; white is 1
QUERIES = "photograph of an object", "photograph of a printed sheet"
HEADERS = ["query", "first, as it is", "first, as lines", "1 / rank, as it is", "1 / rank, as lines", "taken for a sheet"]


def make_design(seed, number):
    """Return (drawing, photograph of the object, photograph of the printed drawing), images of modes 1, RGB, RGB.

    The drawing is the first of `draw_design`.
    """
    rng = np.random.default_rng([seed, number])
    solids, style = random_object(rng), random_style(rng)
    scene = Scene(solids, style.rulings)
    camera = patent_views(rng, scene.radius)[0]
    drawing = draw(scene, camera, style, rng, 1)
    azimuth, elevation = rng.uniform(-TURN, TURN, 2) + camera[:2]
    camera = camera._replace(azimuth=azimuth, elevation=elevation)
    return drawing, object_photograph(scene, camera, TEXTURES[number % len(TEXTURES)], rng), sheet_photograph(drawing, rng)


def object_photograph(scene, camera, texture, rng):
    """Return a photograph of a scene, RGB: matt and shiny light on parts of about one colour."""
    face, _, planes = View(scene, camera, LONG, MARGIN).buffer
    normals = np.column_stack([planes[:, :2], np.full(len(planes), -1.0)])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    light = LIGHT / np.linalg.norm(LIGHT)
    halfway = light - [0, 0, 1]
    matt = np.clip(normals @ light, 0, 1)
    shiny = np.clip(normals @ (halfway / np.linalg.norm(halfway)), 0, 1) ** 30
    parts = rng.uniform(0.25, 0.9, 3) * (1 + 0.12 * rng.normal(size=(len(scene.broken), 1)))
    faces = np.clip(parts, 0.1, 1)[scene.face_solid] * (0.35 + 0.65 * matt[:, None]) + 0.25 * shiny[:, None]
    grain = cv2.GaussianBlur(rng.normal(size=face.shape), (0, 0), rng.uniform(*GRAINS))
    shadow = cv2.GaussianBlur(np.roll((face >= 0) * 1.0, (25, 35), (0, 1)), (0, 0), rng.uniform(4, 14))
    ground = (1 + texture * grain / grain.std()) * (1 - 0.45 * shadow) * slope(face.shape, 0.75, 0.35, rng)
    colour = rng.uniform(0.5, 0.95) * np.array([1, rng.uniform(0.85, 1), rng.uniform(0.7, 1)])
    return photographed(np.where(face[..., None] >= 0, faces[face], ground[..., None] * colour), 1.0, 85, rng)


def sheet_photograph(drawing, rng):
    """Return a photograph of a printed drawing, RGB: askew, yellowish, with the shadow of a hand."""
    size = SHEET_WIDTH, round(SHEET_WIDTH * drawing.height / drawing.width)
    paper = np.pad(np.asarray(drawing.convert("L").resize(size)) / 255, SHEET_MARGIN, constant_values=1)
    height, width = paper.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = (corners + rng.uniform(-0.03, 0.03, (4, 2)) * [width, height]).astype(np.float32)
    paper = cv2.warpPerspective(paper, cv2.getPerspectiveTransform(corners, moved), (width, height), borderValue=1)
    rows, columns = np.indices(paper.shape)
    shadow = 1 / (1 + np.exp((rng.uniform(0.3, 0.7) * width - columns - 0.3 * rows) / 30))
    grey = (0.12 + 0.85 * paper) * slope(paper.shape, 0.45, 0.5, rng) * (1 - 0.35 * shadow)
    return photographed(grey[..., None] * [1, 0.96, 0.88], 1.2, 80, rng)


def slope(shape, least, more, rng):
    """Return float64 [height, width]: light that grows from `least` to the right and downwards, by up to `more` each."""
    down, right = rng.uniform(0, more, 2)
    return least + down * np.linspace(0, 1, shape[0])[:, None] + right * np.linspace(0, 1, shape[1])


def photographed(pixels, blur, quality, rng):
    """Return float [height, width, 3], white is 1, as a camera stores it: blurred by that many pixels, noisy, JPEG."""
    pixels = cv2.GaussianBlur(pixels, (0, 0), blur) + rng.normal(0, NOISE, pixels.shape)
    stored = io.BytesIO()
    Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(stored, "JPEG", quality=quality)
    return Image.open(stored).convert("RGB")


def main():
    """Make the designs, find them and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--designs", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0, help="of the designs")
    options = parser.parse_args()
    log.start()
    torch.set_num_threads(1)
    cfg = load_config(CONFIG, ["MODEL.DEVICE", "cpu"])
    pipeline = Pipeline(cfg, set_up_device(cfg).device)

    def embed(images):
        samples = [Sample(str(number), None, image=image.convert("L")) for number, image in enumerate(images)]
        return normalise(pipeline.embed_images(samples, "the images"))

    drawings, *photographs = zip(*(make_design(options.seed, number) for number in range(options.designs)))
    gallery, table = embed(drawings), []
    grounds = [(f"- texture of the ground {texture:g}", place) for place, texture in enumerate(TEXTURES[: options.designs])]
    for query, images, parts in zip(QUERIES, photographs, (grounds, [])):
        ranks = []
        for way in (images, list(map(edge_map, images))):
            similarity = embed(way) @ gallery.T
            ranks.append((similarity >= similarity.diagonal()[:, None]).sum(axis=1))
        figures = np.stack([*(rank == 1 for rank in ranks), *(1 / rank for rank in ranks), list(map(is_drawing, images))])
        table.append([query, *figures.mean(axis=1)])
        table += [[part, *figures[:, place :: len(TEXTURES)].mean(axis=1)] for part, place in parts]
    print(f"{cpu_name()}, one thread; {versions()}")
    print(f"{shlex.join(['python', *sys.argv])}: {options.designs} designs, seed {options.seed}")
    print(tabulate(table, headers=HEADERS, floatfmt=".3f"))


if __name__ == "__main__":
    main()
