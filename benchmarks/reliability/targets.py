"""What is fuzzed: for every kind of input, how a case is drawn from valid seeds, and what of the package reads it."""

import csv
import hashlib
import io
import json
import shutil
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import torch
import yaml
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from benchmarks.reliability.mutations import STRANGE, changed, damaged, fixed, tensors, with_checksums
from fastpatent.commands.extract import _has_features
from fastpatent.config import get_cfg, load_config
from fastpatent.config.report import describe
from fastpatent.data.captions import with_captions
from fastpatent.data.datasets import DATASETS
from fastpatent.data.digests import read_contents
from fastpatent.data.image import read_drawing
from fastpatent.data.image_source import build_decode
from fastpatent.data.pack.place import pack_size
from fastpatent.data.pack.reader import PackedDrawings, open_pack
from fastpatent.data.pack.write import write_pack
from fastpatent.data.quarantine import FILE, Quarantine
from fastpatent.data.records import Sample, Splits
from fastpatent.data.samplers import SAMPLERS
from fastpatent.device import Precision
from fastpatent.engine.checkpoint import LAST, read_last_checkpoint, restore_random_state
from fastpatent.engine.resume import changed_settings, check_samples, run_identity
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import FastPatentError
from fastpatent.evaluation.cache import cached_features
from fastpatent.files import Ledger, check_output
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights
from fastpatent.uspto.build import build_dataset
from fastpatent.uspto.extended import write_extended_list
from fastpatent.uspto.metadata import write_metadata
from fastpatent.uspto.patent_xml import read_patent_xml
from fastpatent.uspto.skips import Refused
from tests.small_sets import small_config, strokes, write_drawing, write_patent_set
from tests.uspto.weeks import contents, contents_before_2005, member_name, name_of, write_tar, xml, zipped

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CPU = torch.device("cpu")


class Case(NamedTuple):
    """One input: {name below the folder of the target: bytes}, and words beside them, such as those of a command line."""

    files: dict[str, bytes]
    words: list[str] = []


class Target(NamedTuple):
    """How the cases of a kind of input are drawn, and a function of their words that reads them.

    `read` raises FastPatentError, or anything else where the package fails; it returns False where the input was refused
    without an error, as `data build` refuses a patent.
    """

    cases: st.SearchStrategy[Case]
    read: Any


def of_files(**seeds):
    """Draw cases of one file by each name {name: list of contents}, of which any may be damaged; most are not."""
    names = st.fixed_dictionaries({
        name: st.one_of(*[fixed(contents[0])] * 6, damaged(contents)) for name, contents in seeds.items()
    })  # fmt: skip
    return names.map(Case)


def yaml_files(folder):
    """Configuration files: those of the package damaged, and generated trees of keys."""
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    paths = sorted((folder / "configs").rglob("*.yml"))
    texts: dict[str, list[bytes]] = {}
    for path in paths:
        texts.setdefault(str(path.parent.relative_to(folder)), []).append(path.read_bytes())
    bomb = b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (c + 1, c + 1, *[c] * 9) for c in range(97, 106)
    )
    strange = b"SEED: &a [1]\nMODEL: {<<: [*a, {}], DEVICE: !!int '1:1', WEIGHTS: !!binary aa==}\nTEST: {METRIC: 0xff}\n"
    strange += b'_BASE_: [fuzz.yml, "\\U0001F600"]\nOUTPUT_DIR: !!set {a: 2024-01-01 00:00:00 +23:59}\n'
    written = st.sampled_from(sorted(texts)).flatmap(
        lambda place: damaged([*texts[place], bomb, strange]).map(lambda text: Case({f"{place}/fuzz.yml": text}))
    )
    trees = st.lists(settings(), max_size=6).map(lambda pairs: Case({"configs/fuzz.yml": _dump(_tree(pairs))}))
    return Target(written | trees, lambda words: _load_twice(folder, next(folder.rglob("fuzz.yml"))))


def _load_twice(folder, path, words=()):
    """Load a configuration, and once more the file that a run would write of it: they must be equal."""
    text, again = describe(load_config(path, words)).yaml, folder / "config.yaml"
    again.write_text(text, encoding="utf-8")
    assert describe(load_config(again)).yaml == text


def settings():
    """Draw (key, value): keys of the configuration, and some that are none; values of their own type, or strange ones."""
    defaults = dict(_leaves(get_cfg()))
    keys = st.sampled_from(sorted(defaults)) | st.text(max_size=12) | st.just("_BASE_")
    return keys.flatmap(
        lambda key: st.tuples(st.just(key), st.just(defaults.get(key)) | STRANGE | st.just([defaults.get(key)]))
    )


def _leaves(node, prefix=""):
    for name, value in node.items():
        yield from _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]


def _tree(pairs):
    tree: dict = {}
    for key, value in pairs:
        node, *parts = tree, *key.split(".")
        for part in parts[:-1]:
            node = node.setdefault(part, {}) if isinstance(node.get(part, {}), dict) else {}
        node[parts[-1]] = list(value) if isinstance(value, tuple) else value
    return tree


def _dump(tree):
    try:
        return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")
    except yaml.YAMLError:  # it cannot write a surrogate
        return repr(tree).encode("utf-8", "surrogatepass")


def overrides(folder):
    """KEY VALUE words of a command line."""
    texts = STRANGE.map(str) | STRANGE.map(_dump).map(lambda text: text.decode("utf-8", "surrogateescape")) | st.text()
    pairs = settings().flatmap(lambda pair: st.tuples(st.just(pair[0]), st.just(str(pair[1])) | texts))
    words = st.lists(pairs, max_size=5).map(lambda found: [word for pair in found for word in pair])
    return Target(
        st.builds(lambda found, cut: Case({}, found[: len(found) - cut]), words, st.sampled_from((0, 0, 0, 1))),
        lambda words: _load_twice(folder, None, words),
    )


def lists(folder):
    """The list files of a data set in the challenge's layout, and the extended list made of them."""
    write_patent_set(folder)
    names = sorted(path.name for path in (folder / "train_data").glob("*.txt"))
    seeds = {f"train_data/{name}": [(folder / "train_data" / name).read_bytes()] for name in names}
    lines = st.lists(st.text(max_size=30), max_size=5).map(lambda texts: "\n".join(texts).encode())
    generated = st.fixed_dictionaries({name: fixed(found[0]) | lines for name, found in seeds.items()}).map(Case)
    cfg = get_cfg()
    cfg.DATASETS.ROOT = str(folder)

    def read(words):
        for name in ("Patent", "DeepPatentTest"):
            DATASETS.get(name)(cfg, verify=False)
            DATASETS.get(name)(cfg)
        write_extended_list(folder / "train_data")
        DATASETS.get("DeepPatentTestExtended")(cfg)

    return Target(of_files(**seeds) | generated, read)


def images(folder):
    """Images of all formats and modes, read as in training, in `data check` and in extraction."""
    grey = Image.fromarray(strokes(1, (40, 50)))
    modes = [grey, grey.convert("1"), grey.convert("P"), grey.convert("RGB"), grey.convert("RGBA"), grey.convert("LA")]
    modes += [
        Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50) * 32),
        grey.convert("CMYK"),
        grey.convert("F"),
    ]
    turned = Image.Exif()
    turned[0x0112] = 6
    seeds, png = [], []
    for form, options in (
        ("PNG", {}), ("PNG", {"exif": turned, "transparency": 0}), ("TIFF", {}), ("JPEG", {"exif": turned}),
        ("TIFF", {"compression": "tiff_lzw", "exif": turned}), ("JPEG", {"progressive": True}), ("BMP", {}), ("GIF", {}),
        ("WEBP", {}), ("WEBP", {"lossless": True}), ("GIF", {"save_all": True, "append_images": [grey.rotate(9)]}),
        ("TIFF", {"save_all": True, "append_images": [grey]}),
    ):  # fmt: skip
        for image in modes:
            file = io.BytesIO()
            try:
                image.save(file, form, **options)
            except (OSError, ValueError, TypeError):  # the format has no such mode
                continue
            seeds.append(file.getvalue())
            png += [seeds[-1]] * (form == "PNG")
    for image, compression in ((grey.convert("1"), "group4"), (grey, "jpeg")):
        file = io.BytesIO()
        image.save(file, "TIFF", compression=compression)
        seeds.append(file.getvalue())
    decode, path = build_decode(small_config(), "SIZE_TEST"), folder / "image.png"

    def read(words):
        assert decode(str(path)).shape == (24, 20)
        assert read_drawing(path, invert=True).dtype == np.uint8
        assert not read_contents([str(path)], 0)[0].fault

    files = damaged(seeds) | damaged(png).map(with_checksums) | st.binary(max_size=64)
    return Target(files.map(lambda data: Case({"image.png": data})), read)


def tables(folder):
    """Tables of captions in CSV and Parquet files, and the files of IMPACT."""
    write_patent_set(folder)
    drawings = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    identities = sorted({path.split("/")[-2] for path in drawings})
    pairs = [("filepath", "caption"), *((path, f'A "{place}", a lamp') for place, path in enumerate(drawings))]
    about = [("patent", "title", "class"), *((name, f"Lamp, {name}", "D26142") for name in identities)]
    names = {name: [Path(path).name for path in drawings if path.split("/")[-2] == name] for name in identities}
    impact = [
        ("file_names", "class", "title", "fig_desc", "caption"),
        *((repr(names[name]), "D14486, D2840", "Lamp", repr([f"FIG. {n} is it;" for n in range(4)]), "x") for name in names),
    ]
    parquet = io.BytesIO()
    columns = dict(zip(about[0], map(list, zip(*about[1:]))))
    pyarrow.parquet.write_table(pyarrow.table({**columns, "title": [[text] for text in columns["title"]]}), parquet)
    cfg = get_cfg()
    cfg.DATASETS.ROOT, cfg.DATASETS.CAPTIONS.TEXT = str(folder), "caption"
    table = cfg.DATASETS.CAPTIONS.TABLE
    table.IDENTITY, table.TEXT, table.CLASS = about[0]
    cfg.DATASETS.CAPTIONS.TRAIN = cfg.DATASETS.CAPTIONS.TEST = "pairs.csv"

    def read(words):
        kind, text = words
        cfg.DATASETS.CAPTIONS.TEXT = text
        if kind != "table":
            DATASETS.get(kind)(cfg)
            return
        table.FILE = next(path.name for path in folder.iterdir() if path.stem == "table")
        samples = [Sample(str(folder / path), path.split("/")[-2]) for path in drawings]
        with_captions(Splits("Drawings", samples, [], []), cfg)

    def rows(cells):
        written = st.lists(st.lists(st.text(max_size=20) | STRANGE.map(str), max_size=5), max_size=5)
        return written.map(lambda more: _csv([cells[0], *more], ",") + _csv(cells[1:], ","))

    def drawn(kind, name, cells, texts=("caption",)):
        contents = damaged([_csv(cells, ","), _csv(cells, "\t")]) | rows(cells)
        return st.builds(lambda data, text: Case({name: data}, [kind, text]), contents, st.sampled_from(texts))

    return Target(
        drawn("Captioned", "pairs.csv", pairs)
        | drawn("Impact", "impact.csv", impact, ("caption", "title", "description"))
        | drawn("table", "table.csv", about)
        | damaged([parquet.getvalue()]).map(lambda data: Case({"table.parquet": data}, ["table", "caption"])),
        read,
    )


def _csv(rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def xml_files(folder):
    """The XML files of grants in both formats, and the metadata that is written of them."""
    patent = name_of(1)
    old = contents_before_2005(1, "Kettle &eacute; &mdash; &nosuch;", True)[f"{patent}.XML"]
    new = xml(1, [f"{patent}-D00001.TIF"]).replace(b"</us-bib", _CLASSES + b"</us-bib")
    bomb = xml(1, declared="<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(code + 1)} '{f'&{chr(code)};' * 10}'>" for code in range(97, 105)
    ), title="&i;")  # fmt: skip
    deep = st.integers(1, 100_000).map(lambda depth: new.replace(b"Kettle", b"<b>" * depth + b"x" + b"</b>" * depth))
    repeated = [
        text.replace(tag, tag * 60).replace(end, end * 60)
        for text in (new.replace(b"<drawings>", _DESCRIPTION + b"<drawings>"), old)
        for tag, end in ((b"<p>", b"</p>"), (b"<patcit>", b"</patcit>"), (b"<PARA>", b"</PARA>"))
    ]
    declared = new.replace(b'" [', b'" [<!ATTLIST b a CDATA "v"><!NOTATION T SYSTEM "T"><!ENTITY e SYSTEM "f" NDATA T>')
    files = damaged([old, new, bomb, *repeated, declared]) | deep

    def read(words):
        try:
            record, _ = read_patent_xml((folder / "grant.xml").read_bytes(), patent)
        except Refused:
            return False
        (folder / "metadata.parquet").unlink(missing_ok=True)
        write_metadata(folder / "metadata.parquet", [("a", "m", {**record, "drawings": []})], Ledger(folder / "ledger.json"))

    return Target(files.map(lambda data: Case({"grant.xml": data})), read)


_DESCRIPTION = b"<description><description-of-drawings><p>FIG. 1 is a view</p></description-of-drawings></description>"
_CLASSES = b"""<classification-national><main-classification>D 9726</main-classification></classification-national>
<classification-locarno><edition>12</edition><main-classification>0901</main-classification></classification-locarno>
<references-cited><citation><patcit><document-id><country>US</country><doc-number>D1</doc-number></document-id></patcit>
</citation></references-cited>"""


def archives(folder):
    """Weekly archives, tar and zip, damaged as a whole, in a patent's ZIP file, or in a file of it that is packed again."""
    patents = {number: contents(number, 2) for number in range(1, 7)}

    def week_of(first):
        return {member_name(1): first, **{member_name(number): zipped(patents[number]) for number in range(2, 7)}}

    def packed(suffix, members):
        if suffix == "zip":
            return zipped(members)
        return write_tar(folder / "packing.tar", members).read_bytes()

    whole = {suffix: packed(suffix, week_of(zipped(patents[1]))) for suffix in ("tar", "zip")}
    suffixes = st.sampled_from(("tar", "zip"))
    outer = suffixes.flatmap(lambda suffix: damaged([whole[suffix]]).map(lambda data: Case({f"week.{suffix}": data})))
    inner = damaged([zipped(patents[1])])
    files = st.fixed_dictionaries({name: damaged([data], most=2) for name, data in patents[1].items()}).map(zipped)
    repacked = st.builds(
        lambda suffix, first: Case({f"week.{suffix}": packed(suffix, week_of(first))}), suffixes, inner | files
    )

    def read(words):
        shutil.rmtree(folder / "out", ignore_errors=True)
        week = [str(path) for path in folder.glob("week.*")]
        report = build_dataset(week, folder / "out", seed=0, test_fraction=0.3, val_fraction=0.3, limit=10**6)
        return not report.counts

    return Target(outer | repacked, read)


def network():
    """Return a small network and its configuration."""
    cfg = small_config()
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.TIMM_NAME = "timm", "test_convnext"
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [32, 32]
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.SOLVER.MAX_EPOCH = 4, 2
    torch.manual_seed(0)
    return build_model(cfg), cfg


def checkpoints(folder):
    """Folders of runs that are resumed: damaged files, and whole ones with other contents."""
    model, cfg = network()
    cfg.OUTPUT_DIR = cfg.DATASETS.ROOT = str(folder)
    samples = [Sample(str(folder / f"{place}.png"), str(place // 2)) for place in range(8)]
    loader: Any = SimpleNamespace(
        batches_per_epoch=1, batch_size=8, samples=samples, augmentation=None,
        sampler=SAMPLERS.get("BalancedIdentitySampler")(cfg, [place // 2 for place in range(8)], samples),
    )  # fmt: skip

    def trainer(state=None):
        origin = run_identity(cfg, samples)
        return Trainer(cfg, model, loader, CPU, Precision(torch.float32, ""), lambda *_: None, None, state, "mAP", origin)

    saved = trainer()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    saved.optimizer.step()
    path = saved.save("model_0000.pth")
    assert path, "one process saves"
    whole, state = path.read_bytes(), torch.load(path, weights_only=True)
    values = changed(state, STRANGE | tensors()).map(_saved)
    files = st.fixed_dictionaries({
        "model_0000.pth": fixed(whole) | damaged([whole]),
        "model_0001.pth": damaged([whole]) | values,
        LAST: damaged([b"model_0001.pth"], most=1),
    })  # fmt: skip

    def read(words):
        found = read_last_checkpoint(folder)
        if found is None:
            return False
        changed_settings(found[1], cfg)
        check_samples(found[1], samples, folder)
        resumed = trainer(found[1])
        if resumed._random:
            restore_random_state(resumed._random, CPU)
        resumed.save("model_0001.pth")

    return Target(files.map(Case), read)


def _saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def weights(folder):
    """Weights files of torch, new and old, and of safetensors: damaged, and whole ones with other contents."""
    model, _ = network()
    state = {name: value.clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}
    few = dict(list(state.items())[:12])
    seeds = [_saved(state), _saved({"state_dict": state, "epoch": 1}), save(state)]
    seeds += [_saved(state, _use_new_zipfile_serialization=False)]
    contents = changed({"state_dict": few, "model_ema": few, "epoch": 3, "args": {"lr": 0.1}}, STRANGE | tensors())
    kept = changed(few, STRANGE | tensors()).map(lambda found: {**state, **found} if isinstance(found, dict) else found)
    header = changed({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"a": "b"}})
    files = damaged(seeds) | contents.map(_saved) | kept.map(_saved) | header.map(_safetensors)

    return Target(
        files.map(lambda data: Case({"weights.pth": data})),
        lambda words: load_weights(model, folder / "weights.pth") and None,
    )


def _safetensors(header):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(16)


def packs(folder):
    """A pack: its index and its pixels, damaged, and indexes with other contents whose checksum is right."""
    cfg = small_config()
    for number in range(4):
        write_drawing(folder / f"drawings/{number}.png", number)
    paths = [str(path) for path in sorted((folder / "drawings").iterdir())]
    size, decode, pack = pack_size(cfg, "SIZE_TEST"), build_decode(cfg, "SIZE_TEST"), folder / "pack"
    write_pack(pack, size, folder, paths, decode)
    index, pixels = (pack / "00000.json").read_bytes(), (pack / "00000.0.u8").read_bytes()
    header, *entries = [json.loads(line) for line in index.splitlines()]
    truth = [decode(path) for path in paths]

    def rewritten(found):
        """Write an index anew, with the checksum of its lines unless that was changed."""
        if not isinstance(found, dict) or not isinstance(found.get("entries"), list):
            return json.dumps(found).encode()
        lines = "".join(f"{json.dumps(entry)}\n" for entry in found["entries"]).encode()
        first = found.get("header")
        if isinstance(first, dict) and first.get("crc32") == header["crc32"]:
            first = {**first, "crc32": zlib.crc32(lines)}
        return json.dumps(first).encode() + b"\n" + lines

    indexes = damaged([index]) | changed({"header": header, "entries": entries}).map(rewritten)
    files = st.fixed_dictionaries({"pack/00000.json": indexes, "pack/00000.0.u8": fixed(pixels) | damaged([pixels], most=1)})

    def read(words):
        for path in pack.iterdir():
            if path.name not in ("00000.json", "00000.0.u8", ".lock"):
                path.unlink()
        shards, _ = open_pack(pack, size)
        refused = None
        try:
            drawings = PackedDrawings(shards, folder, paths, decode)
            for path, expected in zip(paths, truth):
                assert np.array_equal(drawings(path), expected)
        except FastPatentError as error:
            refused = error
        write_pack(pack, size, folder, paths, decode)
        drawings = PackedDrawings(open_pack(pack, size)[0], folder, paths, decode)
        assert all(np.array_equal(drawings(path), expected) for path, expected in zip(paths, truth))
        assert not drawings.absent and not drawings.changed
        if refused:
            raise refused

    return Target(files.map(Case), read)


def caches(folder):
    """Cached features and their record: damaged, and whole ones with other contents whose digests are right."""
    cfg = small_config()
    cfg.OUTPUT_DIR = cfg.DATASETS.ROOT = str(folder)
    cfg.MODEL.WEIGHTS = str(folder / "weights.pth")
    (folder / "weights.pth").touch()
    samples = [Sample(str(write_drawing(folder / f"d{number // 2}/{number}.png", number)), "d") for number in range(4)]
    splits, features = Splits("Drawings", [], samples[:2], samples[2:]), np.arange(12, dtype=np.float32).reshape(4, 3)
    assert cached_features(cfg, splits, CPU, lambda: features) is features
    place = "features/Drawings"
    array, record = (folder / f"{place}.npy").read_bytes(), json.loads((folder / f"{place}.json").read_text())

    def described(data, found):
        """Return the case of an array and a record with its digest, unless that was changed."""
        if isinstance(found, dict) and found.get("sha256") == record["sha256"]:
            found = {**found, "sha256": hashlib.sha256(data).hexdigest()}
        return Case({f"{place}.npy": data, f"{place}.json": json.dumps(found).encode()})

    arrays = [array, _array(np.zeros((4, 3))), _array(np.zeros(4, np.float32)), _array(np.array([None, {}]))]
    arrays += [array.replace(b"(4, 3)", b"(4000000000000, 3)"), _array(np.zeros((2**9, 2**9)))]
    plain = st.fixed_dictionaries({f"{place}.npy": damaged(arrays), f"{place}.json": damaged([json.dumps(record).encode()])})

    def read(words):
        found = cached_features(cfg, splits, CPU, lambda: features)
        assert found is not None and found.dtype == np.float32 and found.shape == (4, 3), "not the features of these images"

    return Target(plain.map(Case) | st.builds(described, damaged(arrays), changed(record) | st.just(record)), read)


def _array(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def results(folder):
    """What commands read of their own results: quarantine.csv, extracted features, journals and the ledger of a build."""
    week = write_tar(folder / "I20210105.tar", {member_name(number): zipped(contents(number, 2)) for number in range(1, 7)})
    sets = {"seed": 0, "test_fraction": 0.3, "val_fraction": 0.3, "limit": 10**6}
    build_dataset([str(week)], folder / "out", **sets)
    (folder / "out").rename(folder / "built")
    names = "build/I20210105.tar.jsonl", "build/written.json"
    journal, ledger = ((folder / "built" / name).read_bytes() for name in names)
    journals = damaged([journal])
    ledgers = damaged([ledger]) | changed(json.loads(ledger)).map(lambda found: json.dumps(found).encode())
    builds = st.fixed_dictionaries({f"case/{names[0]}": journals, f"case/{names[1]}": ledgers | st.just(ledger)})
    quarantine = _csv([("path", "reason", "count"), ("a.png", "cut, short", 3), ("ü.png", 'a "quote"', 1)], ",")
    extracted = io.BytesIO()
    np.savez(extracted, features=np.zeros((2, 3), np.float32), paths=np.array(["a", "b"]))
    arrays = [extracted.getvalue(), _array(np.zeros((3, 10), np.int64)), _array(np.array([None]))]
    samples = [Sample("a.png", "a"), Sample("b.png", "b")]

    def read(words):
        if (folder / FILE).exists():
            table = Quarantine(samples, 0.5, "it is skipped", folder, resumed=True)
            table.add({0: "a.png: cut short"})
            table.finish()
        elif (folder / "features.npz").exists():
            check_output(folder / "features.npz", "--output", _has_features)
        else:
            shutil.rmtree(folder / "out", ignore_errors=True)
            shutil.copytree(folder / "built", folder / "out")
            shutil.copytree(folder / "case", folder / "out", dirs_exist_ok=True)
            return build_dataset([str(week)], folder / "out", **sets).patents == 6

    return Target(
        builds.map(Case)
        | damaged([quarantine]).map(lambda data: Case({FILE: data}))
        | damaged(arrays).map(lambda data: Case({"features.npz": data})),
        read,
    )


TARGETS = {
    "YAML": yaml_files,
    "overrides": overrides,
    "lists": lists,
    "images": images,
    "tables": tables,
    "XML": xml_files,
    "archives": archives,
    "checkpoints": checkpoints,
    "weights": weights,
    "packs": packs,
    "caches": caches,
    "results": results,
}
