"""The figures of sheets that are drawn here, where everything is, and of real ones, counted by eye."""

from functools import partial
from itertools import product

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fastpatent.data.image import open_drawing
from fastpatent.errors import DataError
from fastpatent.search.figures import RIM, Figure, cut_out, figure_of, figure_sample, figure_values, read_figure, split_sheet

SERIF = "DejaVuSerif.ttf"  # first, as its g is like none of patents
FONTS = (SERIF, "DejaVuSans.ttf", "DejaVuSans-BoldOblique.ttf", "DejaVuSerif-BoldItalic.ttf", "DejaVuSansMono.ttf")
CAPITALS, SMALL = ("FIG. 1", "FIG. 2", "FIG. 10A"), ("Fig. 7", "Fig. 8", "Fig. 9")
# Counted by eye: what is drawn, and how the caption lies, in quarter turns clockwise that make it upright.
REAL = {
    "USD0907293-20210105-D00005": (2, 1),
    "USD0908314-20210126-D00001": (1, 0),
    "USD0908314-20210126-D00003": (2, 0),
    "USD0909824-20210209-D00002": (2, 0),
    "USD0910059-20210209-D00001": (1, 0),  # a screen on its side without a caption
    "USD0911449-20210223-D00004": (1, 0),
    "USD0911449-20210223-D00023": (2, 0),
    "USD0913174-20210316-D00004": (1, 0),  # "1.4"
    "USD0913175-20210316-D00001": (2, 0),
    "USD0913942-20210323-D00007": (1, 1),
    "USD0915080-20210406-D00001": (1, 1),
    "USD0915081-20210406-D00004": (2, 0),
    "USD0917866-20210504-D00003": (1, 1),
    "USD0919445-20210518-D00002": (3, 0),
    "USD0919623-20210518-D00003": (2, 1),
    "USD0921835-20210608-D00006": (2, 0),  # the captions reach into the boxes
    "USD0925765-20210720-D00002": (4, 0),
    "USD0927653-20210810-D00012": (1, 0),  # two parts that lie apart
    "USD0929296-20210831-D00001": (1, 0),
    "USD0930094-20210907-D00002": (4, 0),  # one of them refers to another as "FIG. 3"
    "USD0930529-20210914-D00006": (1, 1),  # the caption is underlined
    "USD0933283-20211012-D00004": (2, 0),
    "USD0934827-20211102-D00005": (2, 1),
    "USD0939222-20211228-D00002": (2, 1),
    "USD0939223-20211228-D00001": (1, 0),  # letters of an eighth of the sheet
}


def font(name, size=34):
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size)


def dashed(draw, box):
    for start in range(0, 360, 12):
        draw.arc(box, start, start + 7, fill=0, width=3)


def draw_sheet(letters, captions):
    """Three figures with captions below: a shape, one in broken lines, and one of two parts. Return (sheet, their boxes)."""
    sheet = Image.new("L", (1000, 1300), 255)
    draw, boxes = ImageDraw.Draw(sheet), []

    def around(left, top, right, bottom):
        """The box around the ink of a region, found before the captions are drawn."""
        x, y, *far = sheet.point(lambda grey: 255 - grey).crop((left, top, right, bottom)).getbbox()
        boxes.append((left + x - RIM, top + y - RIM, left + far[0] + RIM, top + far[1] + RIM))

    draw.polygon([(80, 100), (400, 140), (330, 480), (120, 400)], outline=0, width=4)
    draw.line([(80, 100), (330, 480)], fill=0, width=3)
    dashed(draw, (560, 90, 860, 460))
    draw.rectangle((200, 720, 420, 1000), outline=0, width=3)
    draw.ellipse((600, 760, 800, 960), outline=0, width=3)  # apart from the other, and without a caption of its own
    for region in ((0, 0, 500, 600), (500, 0, 1000, 600), (0, 600, 1000, 1300)):
        around(*region)
    for place, text in zip([(160, 530), (640, 530), (400, 1100)], captions):
        draw.text(place, text, fill=0, font=letters)
    return sheet, boxes


def boxes_of(figures):
    return sorted((left, top, left + width, top + height) for left, top, width, height, *_ in figures)


def turned(image, quarters):
    return Image.fromarray(np.rot90(np.asarray(image), quarters).copy())


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name, captions", [*product(FONTS, [CAPITALS]), *product(FONTS[1:], [SMALL])], ids=str)
def test_figures_are_apart_and_upright_without_their_captions(name, captions, quarters):
    upright, boxes = draw_sheet(font(name), captions)
    sheet = turned(upright, -quarters)
    figures = split_sheet(sheet)
    assert [figure.turn for figure in figures] == [quarters] * 3
    found = [np.asarray(cut_out(sheet, figure)) for figure in figures]
    wanted = [np.asarray(upright.crop(box)) for box in boxes]
    assert all(any(np.array_equal(a, b) for b in found) for a in wanted)


def test_a_large_sheet_is_split_at_its_own_pixels():
    small, boxes = draw_sheet(font(FONTS[1]), ("FIG. 1", "FIG. 2", "FIG. 3"))
    figures = split_sheet(small.resize((3000, 3900), Image.Resampling.NEAREST))
    assert len(figures) == 3
    np.testing.assert_allclose(boxes_of(figures), 3 * np.array(sorted(boxes)), atol=3 * RIM)


def draw_page(caption):
    """A page with a header, one figure, and perhaps a caption, which lies as on a sheet that is printed on its side."""
    page = Image.new("L", (1160, 1700), 255)
    draw = ImageDraw.Draw(page)
    serif = partial(font, "DejaVuSerif-Bold.ttf")
    for left, text in ((100, "U.S. Patent"), (360, "Feb. 2, 2021"), (620, "Sheet 3 of 8"), (850, "US D909,824 S")):
        draw.text((left, 60), text, fill=0, font=serif(24))
    draw.polygon([(300, 500), (700, 600), (600, 1200), (320, 1100)], outline=0, width=4)
    if caption:
        text = Image.new("L", (160, 50), 255)
        ImageDraw.Draw(text).text((5, 5), caption, fill=0, font=serif(34))
        page.paste(turned(text, 1), (800, 800))
    return page


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("caption", ["", "FIG. 4"])
def test_the_header_of_a_page_is_no_figure(caption, quarters):
    page = draw_page(caption)
    (figure,) = split_sheet(turned(page, -quarters))
    box = Figure(300 - RIM, 500 - RIM, 401 + 2 * RIM, 701 + 2 * RIM)
    expected = turned(cut_out(page, box), 3 if caption else 0)  # the caption says more than the header
    np.testing.assert_array_equal(cut_out(turned(page, -quarters), figure), expected)
    assert figure.turn == (quarters + 3 * bool(caption)) % 4


def noise(size):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, size, np.uint8))


@pytest.mark.parametrize(
    "sheet",
    [
        draw_sheet(ImageFont.load_default(34), ("", "", ""))[0],
        draw_sheet(ImageFont.load_default(34), ("left", "right", "all of it"))[0],
        draw_page("").crop((200, 200, 1100, 1600)),
        Image.new("L", (300, 200), 255),
        Image.new("L", (300, 200), 0),
        Image.new("L", (1, 1), 0),
        noise((500, 400)),
    ],
    ids=["no captions", "other words", "no header", "white", "black", "one pixel", "noise"],
)
def test_where_nothing_can_be_told_the_sheet_is_one_figure_as_it_is(sheet):
    assert split_sheet(sheet) == [Figure(0, 0, *sheet.size)]


def test_a_sheet_of_a_caption_alone_is_not_lost():
    sheet = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(sheet).text((60, 60), "FIG. 1", fill=0, font=font(FONTS[1]))
    assert split_sheet(sheet) == [Figure(0, 0, 300, 200)]


@pytest.mark.parametrize("name", FONTS)
def test_a_number_with_a_point_is_a_caption_where_it_stands_alone(name):
    sheet = Image.new("L", (600, 600), 255)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((150, 200, 500, 500), outline=0, width=3)
    draw.text((20, 20), "1.4", fill=0, font=font(name))
    assert boxes_of(split_sheet(sheet)) == [(150 - RIM, 200 - RIM, 501 + RIM, 501 + RIM)]
    draw.text((300, 300), "1.4 MB", fill=0, font=font(name))
    draw.rectangle((0, 0, 120, 70), outline=0, width=3)  # within a frame it may be anything
    draw.text((170, 210), "2.5", fill=0, font=font(name))
    assert split_sheet(sheet) == [Figure(0, 0, 600, 600)]


def test_a_caption_within_the_box_of_a_figure_becomes_white():
    sheet = Image.new("L", (600, 600), 255)
    draw = ImageDraw.Draw(sheet)
    draw.line([(50, 50), (50, 550), (550, 550)], fill=0, width=5)
    without = sheet.copy()
    draw.text((300, 200), "FIG. 1", fill=0, font=font(SERIF))
    (figure,) = split_sheet(sheet)
    assert len(figure.blanks) == 1
    box = (figure.left, figure.top, figure.left + figure.width, figure.top + figure.height)
    np.testing.assert_array_equal(cut_out(sheet, figure), without.crop(box))
    assert np.asarray(sheet).sum() < np.asarray(without).sum(), "the sheet itself is unchanged"


def test_a_figure_comes_back_from_plain_values_and_from_its_file(tmp_path):
    figure = Figure(5, 6, 30, 20, 3, ((7, 8, 2, 3), (9, 9, 1, 1)))
    assert figure_of(figure_values(figure)) == figure and figure_of(figure_values(None)) is None
    image = noise((40, 50))
    image.save(tmp_path / "a.png")
    sample = figure_sample(str(tmp_path / "a.png"), figure)
    np.testing.assert_array_equal(sample.image(False, 10_000), cut_out(image, figure))
    assert sample.path != figure_sample(str(tmp_path / "a.png"), figure._replace(left=6)).path
    with pytest.raises(DataError, match="a.png: was changed, it has no figure at 5,6 any more"):
        read_figure(str(tmp_path / "a.png"), figure._replace(width=46), False, 10_000)


@pytest.mark.parametrize("name", REAL)
def test_real_sheets(shared, name):
    figures = split_sheet(open_drawing(shared / "impact/patents" / name[:19] / f"{name}.TIF"))
    assert (len(figures), {figure.turn for figure in figures}) == (REAL[name][0], {-REAL[name][1] % 4})
