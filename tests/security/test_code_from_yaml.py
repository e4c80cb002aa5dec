"""Names in configurations: no code of theirs runs, and nothing is downloaded without --allow-downloads."""

import json
import os
import socket
import subprocess
import sys
import types

import open_clip
import pytest
import torch

from fastpatent.commands import main
from fastpatent.config import get_cfg, load_config
from fastpatent.downloads import ALLOWED
from fastpatent.errors import ConfigError, FastPatentError
from fastpatent.evaluation.benchmark_systems import read_systems
from fastpatent.models import build_model, build_tokenizer
from fastpatent.models.clip.architecture import model_config
from fastpatent.models.clip.tokenizer import Tokenizer
from tests.models.pairs import MEAN, STD, VIT, write_pair

TEXT = {"context_length": 16, "width": 32, "heads": 2, "layers": 2}


@pytest.fixture
def asked(monkeypatch):
    """Names of hosts that something looked for: none is found, and nothing leaves this machine."""
    names = []

    def look_up(host, *_, **__):
        names.append(host)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv(ALLOWED, "0")
    return names


@pytest.fixture
def tokenizers(monkeypatch):
    """A stand-in for transformers: what its AutoTokenizer was given. Unless that is forbidden, it runs code of a folder."""
    given = []

    class AutoTokenizer:
        @staticmethod
        def from_pretrained(source, cache_dir=None, **options):
            given.append((str(source), options))
            if options.get("trust_remote_code") is not False and os.path.isdir(source):
                for path in sorted(os.listdir(source)):
                    if path.endswith(".py"):
                        exec(open(os.path.join(source, path)).read())
            ids = torch.zeros(1, 16, dtype=torch.int64)
            return lambda texts, **_: types.SimpleNamespace(input_ids=ids.expand(len(texts), -1))

    module = types.ModuleType("transformers")
    module.AutoTokenizer = AutoTokenizer
    monkeypatch.setitem(sys.modules, "transformers", module)
    return given


def written(folder, **settings):
    """Write a configuration of a PatentCLIP with further keys under MODEL; return its path."""
    path = folder / "evil.yml"
    size = {"SIZE_TRAIN": [32, 32], "SIZE_TEST": [32, 32]}
    model = {"META_ARCHITECTURE": "PatentCLIP", "PIXEL_MEAN": MEAN, "PIXEL_STD": STD, **settings}
    path.write_text(json.dumps({"INPUT": size, "MODEL": model}))  # JSON is YAML
    return path


def config(folder, **settings):
    return load_config(written(folder, **settings))


def evil_folder(folder, **text):
    """Write a folder of a model whose tokenizer is a Python file; return the path of what that would create."""
    vision = {"image_size": 32, **VIT}
    settings = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {**TEXT, "hf_tokenizer_name": "x", **text}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": settings}))
    (folder / "pair.json").write_text(json.dumps({**settings, "text_cfg": {**settings["text_cfg"], **text}}))
    (folder / "tokenizer.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    return folder / "ran"


@pytest.mark.parametrize("options", [{}, {"trust_remote_code": True}, {"cache_dir": "x"}, ["clean"]])
@pytest.mark.parametrize("name", ["local-dir:{}", "{}/pair.json"])
def test_a_tokenizer_that_a_configuration_names_runs_no_code(name, options, tokenizers, asked, tmp_path):
    ran = evil_folder(tmp_path, hf_tokenizer_name=str(tmp_path), tokenizer_kwargs=options)
    cfg = config(tmp_path, CLIP={"NAME": name.format(tmp_path)})
    sentence = (
        "tokenizer_kwargs may name clean, language, strip_sep_token, not" if options else "data only, not tokenizer.py"
    )
    with pytest.raises(ConfigError, match=f"MODEL.CLIP.NAME: .*: .*{sentence}"):
        build_tokenizer(cfg)(["a chair"])
    assert not ran.exists() and not tokenizers
    if name == "local-dir:{}" and options == {"trust_remote_code": True}:  # the attack is one: open_clip alone runs it
        open_clip.get_tokenizer(name.format(tmp_path))
        assert ran.exists()


def test_a_run_folder_that_was_copied_runs_no_code(tokenizers, asked, tmp_path):
    ran = evil_folder(tmp_path, hf_tokenizer_name=str(tmp_path), tokenizer_kwargs={"trust_remote_code": True})
    run = tmp_path / "logs/run"
    run.mkdir(parents=True)
    (run / "model_best.pth").touch()
    written(tmp_path, CLIP={"NAME": str(tmp_path / "pair.json")}).rename(run / "config.yaml")
    cfg = get_cfg()
    cfg.BENCHMARK.LOGS, cfg.OUTPUT_DIR = str(tmp_path / "logs"), str(tmp_path / "out")
    [system] = read_systems(cfg)
    with pytest.raises(ConfigError, match="tokenizer_kwargs may name"):
        build_tokenizer(system.cfg)(["a chair"])
    assert not ran.exists() and not tokenizers


def test_a_tokenizer_of_data_is_read_and_never_trusted(tokenizers, asked, tmp_path):
    options = {"clean": "canonicalize", "strip_sep_token": False}
    evil_folder(tmp_path, tokenizer_kwargs=options)
    (tmp_path / "tokenizer.py").unlink()
    assert Tokenizer(f"local-dir:{tmp_path}")(["a chair", "a lamp"]).shape == (2, 16)
    assert tokenizers == [(str(tmp_path), {"trust_remote_code": False})]


def test_the_tokenizers_of_open_clips_own_models_are_those_of_open_clip(tokenizers, monkeypatch):
    monkeypatch.setenv(ALLOWED, "1")
    models = [
        name for name in open_clip.list_models() if "hf_tokenizer_name" in open_clip.get_model_config(name)["text_cfg"]
    ]
    for name in models:
        theirs, ours = open_clip.get_tokenizer(name), Tokenizer(name)._tokenizer
        assert tokenizers.pop() == (tokenizers[-1][0], {**tokenizers.pop()[1], "trust_remote_code": False}), name
        for setting in ("context_length", "strip_sep_token", "clean_fn", "tokenizer_mode"):
            assert getattr(ours, setting) == getattr(theirs, setting), name
    assert len(models) > 30


HUB = "hf-hub:someone/model"
PAIR = {"NAME": "pair.json"}
DOWNLOADS = {
    "model of the hub": ({"CLIP": {"NAME": HUB}}, f"MODEL.CLIP.NAME: {HUB} would be downloaded"),
    "weights of a tag": ({"CLIP": {"NAME": "RN50", "PRETRAINED": "openai"}}, "MODEL.CLIP.PRETRAINED: openai would be"),
    "weights of the hub": ({"CLIP": {**PAIR, "PRETRAINED": HUB}}, f"MODEL.CLIP.PRETRAINED: {HUB} would be downloaded"),
    "text tower": ({"CLIP": {"NAME": "roberta-ViT-B-32"}}, "MODEL.CLIP.NAME: .* the text tower roberta-base .* would be"),
    "text tower of anyone": (
        {"CLIP": {"NAME": "text.json"}},
        "the text tower 'someone/model' is of no model of open_clip",
    ),
    "image tower of the hub": ({"CLIP": {"NAME": "hub.json"}}, f"timm has no model '{HUB}'"),
    "image tower of a folder": ({"CLIP": {"NAME": "dir.json"}}, "timm has no model 'local-dir:.'"),
    "URL of weights": (
        {"CLIP": {**PAIR, "PRETRAINED": "https://x.y/z.pt"}},
        "'https://x.y/z.pt' is neither a file nor",
    ),
    "timm": (
        {"META_ARCHITECTURE": "Baseline", "BACKBONE": {"NAME": "timm", "TIMM_NAME": HUB}},
        "MODEL.BACKBONE.TIMM_NAME: timm has no model 'hf-hub:someone/model'",
    ),
    "timm, folder": (
        {"META_ARCHITECTURE": "Baseline", "BACKBONE": {"NAME": "timm", "TIMM_NAME": "local-dir:."}},
        "MODEL.BACKBONE.TIMM_NAME: timm has no model 'local-dir:.'",
    ),
    "backbone of the hub": (
        {"META_ARCHITECTURE": "Baseline", "BACKBONE": {"DEPTH": "18x", "PRETRAIN_PATH": HUB}},
        f"MODEL.BACKBONE.PRETRAIN_PATH: {HUB} would be downloaded",
    ),
    "backbone of timm": (
        {
            "META_ARCHITECTURE": "Baseline",
            "BACKBONE": {"NAME": "timm", "TIMM_NAME": "test_resnet", "PRETRAIN_PATH": "timm"},
        },
        "MODEL.BACKBONE.PRETRAIN_PATH: hf-hub:timm/test_resnet.r160_in1k would be downloaded",
    ),
    "URL of a backbone": (
        {"META_ARCHITECTURE": "Baseline", "BACKBONE": {"DEPTH": "18x", "PRETRAIN_PATH": "https://x.y/z.pth"}},
        "https:/x.y/z.pth: no such weights file",
    ),
}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_name_in_a_configuration_downloads_nothing(name, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pair("pair.json")
    write_pair("text.json", text_cfg={**TEXT, "hf_model_name": "someone/model"})
    for file, source in (("hub.json", HUB), ("dir.json", "local-dir:.")):
        write_pair(file, vision_cfg={"image_size": 32, "timm_model_name": source})
    settings, sentence = DOWNLOADS[name]
    with pytest.raises(FastPatentError, match=sentence) as caught:
        build_model(config(tmp_path, **{"HEADS": {"NUM_CLASSES": 3}, **settings}))
    assert "\n" not in str(caught.value) and not asked


@pytest.mark.parametrize("file", ["tokenizer.json", "RN50"])
def test_a_tokenizer_that_would_be_downloaded_needs_the_option(file, tokenizers, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pair("tokenizer.json", text_cfg={**TEXT, "hf_tokenizer_name": "someone/words"})
    if file == "RN50":  # its words come with open_clip
        assert Tokenizer(file)(["a chair"]).shape == (1, 77)
        return
    with pytest.raises(ConfigError, match="the tokenizer someone/words of tokenizer.json would be downloaded.*--allow-down"):
        Tokenizer(file)(["a chair"])
    assert not tokenizers and not asked


def test_the_option_of_the_command_line_allows_it(asked, tmp_path, monkeypatch, capfd):
    def download(name, **_):
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("open_clip.factory.download_pretrained_from_hf", download)
    torch.save({"visual.x": torch.zeros(2)}, tmp_path / "w.pth")
    path = str(written(tmp_path, CLIP={"NAME": HUB}))
    words = ["convert", str(tmp_path / "w.pth"), str(tmp_path / "o.safetensors"), "--config-file", path]
    assert main(words) == 1 and not asked
    sentence = f"MODEL.CLIP.NAME: {HUB} would be downloaded; name a local file, or give --allow-downloads"
    assert sentence in capfd.readouterr().err
    assert main([*words, "--allow-downloads"]) == 1 and asked == ["someone/model"]
    assert f"MODEL.CLIP.NAME: {HUB} cannot be read: no network" in capfd.readouterr().err
    asked.clear()
    assert main(words) == 1 and not asked  # it was for one command


@pytest.mark.parametrize("allowed", ["0", "1"])
def test_processes_that_a_command_starts_have_its_option(allowed, monkeypatch):
    monkeypatch.setenv(ALLOWED, allowed)
    code = "from fastpatent.downloads import check_download; check_download('KEY', 'it')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == (allowed == "0")


@pytest.mark.parametrize(
    "content", ["[" * 10**5, '{"embed_dim": 16, "vision_cfg": [], "text_cfg": 3}', "{", "3", None, "x" * 2**21]
)
def test_a_model_file_that_is_none_is_a_sentence(content, tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    if content is None:
        os.mkfifo(path)  # nothing is ever written to it
    else:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"MODEL.CLIP.NAME: .*x.json (cannot be read|is no open_clip model)") as caught:
        build_model(config(tmp_path, CLIP={"NAME": str(path)}))
    assert "\n" not in str(caught.value)


NUMBERS = {
    "embed_dim": [0, 10**9, "16", True],
    "vision_cfg": {
        "layers": [30000, 0, [1, 1], [10**9] * 4],
        "width": [0, 10**7],
        "head_width": [0],
        "patch_size": [0, "8"],
    },
    "text_cfg": {"layers": [30000], "heads": [0], "vocab_size": [10**10], "context_length": ["x", 1e9], "mlp_ratio": [1e9]},
}


@pytest.mark.parametrize("part", NUMBERS)
def test_a_model_file_of_wrong_numbers_is_a_sentence(part, tmp_path):
    """Each would take gigabytes and minutes, or end in a traceback."""
    sizes = {"vision_cfg": {"image_size": 32, **VIT}, "text_cfg": TEXT}
    wrong = NUMBERS[part] if part in sizes else {part: NUMBERS[part]}
    for key, values in wrong.items():
        for value in values:
            file = write_pair(tmp_path / "x.json", **{part: {**sizes[part], key: value} if part in sizes else value})
            with pytest.raises(ConfigError, match="MODEL.CLIP.NAME: .*x.json"):
                build_model(config(tmp_path, CLIP={"NAME": file}))


RUNS = {
    "tokens beside the embedding": {"vision_cfg": {"output_tokens": True}},
    "tokens beside the embedding of a text": {"text_cfg": {"output_tokens": True}},
    "no pooling": {"vision_cfg": {"pool_type": "none"}},
    "no pooling of a text": {"text_cfg": {"pool_type": "none"}},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_model_file_that_is_built_and_does_not_run_is_a_sentence(name, tmp_path):
    whole = {"vision_cfg": {"image_size": 32, **VIT}, "text_cfg": TEXT}
    changed = {part: {**whole[part], **values} for part, values in RUNS[name].items()}
    file = write_pair(tmp_path / "x.json", **{**whole, **changed})
    with pytest.raises(ConfigError, match="MODEL.CLIP.NAME: .*x.json cannot be built"):
        build_model(config(tmp_path, CLIP={"NAME": file}))


def test_the_numbers_of_open_clips_own_models_are_accepted():
    assert len([model_config(name) for name in open_clip.list_models()]) > 100


def test_a_model_of_fewer_words_than_its_tokenizer_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="vocab_size is 100, and open_clip's tokenizer has 49408 words"):
        Tokenizer(write_pair(tmp_path / "x.json", text_cfg={**TEXT, "vocab_size": 100}))(["a chair"])


def test_a_tokenizer_of_a_wrong_length_is_a_sentence(tmp_path):
    for length in ("x", 1e9, 10**9, 0):
        file = write_pair(tmp_path / "x.json", text_cfg={**TEXT, "context_length": length})
        with pytest.raises(ConfigError, match="context_length is a number from 1 to 1024"):
            Tokenizer(file)(["a chair"])
