"""Weekly archives of small patents, in the layout of the patent office."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

LIMIT = 10**6
XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE us-patent-grant SYSTEM "us-patent-grant-v45-2014-04-03.dtd" [{declared}]>
<us-patent-grant><us-bibliographic-data-grant>
<publication-reference><document-id><country>US</country><doc-number>{number}</doc-number><kind>{kind}</kind>
<date>{date}</date></document-id></publication-reference>
<invention-title>{title}</invention-title>
</us-bibliographic-data-grant><drawings>{sheets}</drawings></us-patent-grant>"""

PATDOC = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE PATDOC SYSTEM "ST32-US-Grant-025xml.dtd" [{declared}]>
<PATDOC DTD="2.5"><SDOBI><B100><B110><DNUM><PDAT>D{number:07d}</PDAT></DNUM></B110><B130><PDAT>S</PDAT></B130>
<B140><DATE><PDAT>20210105</PDAT></DATE></B140></B100><B500><B540><STEXT><PDAT>{title}</PDAT></STEXT></B540></B500></SDOBI>
<SDODE><DRWDESC><BTEXT><PARA><PTEXT><PDAT>FIG. 1 shows {title}.</PDAT></PTEXT></PARA></BTEXT></DRWDESC></SDODE>
<SDODR>{sheets}</SDODR></PATDOC>"""


def name_of(number):
    """The identity of the patent with a number."""
    return f"USD{number:07d}-20210105"


def tif(number, size=(40, 30), **options):
    """A TIFF file with pixels unique to the number; uint8 [30, 40], 0 or 255."""
    pixels = np.random.default_rng(number).random(size[::-1]) < 0.8
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", **{"compression": "group4", **options})
    return file.getvalue()


def xml(number, sheets=(), date="20210105", kind="S1", title="Kettle", declared=""):
    """The XML file of a patent."""
    named = "".join(f'<figure><img file="{name}"/></figure>' for name in sheets)
    number = number if isinstance(number, str) else f"D{number:07d}"
    return XML.format(number=number, date=date, kind=kind, title=title, declared=declared, sheets=named).encode()


def contents(number, drawings=4):
    """The files of a patent: {name: bytes}."""
    name = name_of(number)
    sheets = {f"{name}-D{sheet:05d}.TIF": tif(100 * number + sheet) for sheet in range(drawings)}
    return {f"{name}.XML": xml(number, sheets), **sheets}


def contents_before_2005(number, title, declared):
    """The files of a patent in the format of 2001 to 2004, whose drawings are unparsed entities where `declared`."""
    sheets = {name: data for name, data in contents(number).items() if name.endswith(".TIF")}
    entities = "".join(f'<!ENTITY {name} SYSTEM "{name}" NDATA TIF>\n' for name in sheets if declared)
    named = "".join(f'<EMI FILE="{name}"/>' for name in sheets)
    written = PATDOC.format(number=number, title=title, declared=entities, sheets=named)
    return {f"{name_of(number)}.XML": written.encode(), **sheets}


def zipped(files, method=zipfile.ZIP_DEFLATED):
    """The bytes of a ZIP file of {name: bytes}, the same at any time; names may be `ZipInfo`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)  # of 1980, not of now
            archive.writestr(info, data, method)
    return packed.getvalue()


def patent_zip(number, drawings=4):
    """The ZIP file of a patent, with its files in a folder as in the office's archives."""
    return zipped({f"{name_of(number)}/{name}": data for name, data in contents(number, drawings).items()})


def member_name(number):
    """The name of a patent's ZIP file in a weekly archive."""
    return f"I20210105/DESIGN/{name_of(number)}.ZIP"


def write_tar(path, members):
    """Write a tar of {name: bytes, or tarfile.TarInfo}."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path, members):
    """Write a zip of {name: bytes}, uncompressed, like those of the office."""
    path.write_bytes(zipped(members, zipfile.ZIP_STORED))
    return path


def week(numbers):
    """The members of a weekly archive of some patents."""
    return {member_name(number): patent_zip(number) for number in numbers}


def files_below(folder):
    """{path relative to the folder: bytes} of all files except the lock."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
