"""`fastpatent reproduce`: start a run again as it was started, and compare what it has learned."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands import train
from fastpatent.commands.options import Parser, add_download_option
from fastpatent.config import load_config
from fastpatent.config.report import short_value
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.loader import build_train_loader
from fastpatent.device import set_up_device, training_precision
from fastpatent.downloads import OPTION, allow_downloads
from fastpatent.engine.resume import run_identity
from fastpatent.engine.run_comparison import LOSSES, METRICS, compare
from fastpatent.engine.run_list import same_text
from fastpatent.engine.run_record import FINISHED, Run, about, is_run, read_run
from fastpatent.errors import ConfigError, DataError
from fastpatent.files import check_output, head, make_folder, write_atomically
from fastpatent.models import build_tokenizer

FILE = "reproduced.yml"  # in the new folder: the configuration that it is started with
MARK = "# written by fastpatent reproduce"
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, train and compare; return 0 where the metrics agree, else 1."""
    parser = Parser(
        prog="fastpatent reproduce",
        description="Train a run again from its recorded configuration into another folder, and compare losses and metrics. "
        "The exit status is 0 where the metrics agree.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, with the run.json and history.jsonl of its training")
    parser.add_argument("--output-dir", metavar="DIR", help="folder of the new run (default RUN_reproduced)")
    parser.add_argument(
        "--changed-data", action="store_true", help="also where the lists of images are not those of the run"
    )
    what = "largest difference of a metric that counts as agreement (default 0: equal to the bit)"
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="T", help=what)
    add_download_option(parser)
    args = parser.parse_args(argv)
    if not args.tolerance >= 0:
        raise ConfigError(f"--tolerance: {args.tolerance} is not at least 0")
    allow_downloads(args.allow_downloads)
    log.start()
    run = read_run(args.run)
    if not run.record.get("config") or not run.history:
        missing = "finished no epoch" if run.record.get("config") else "is of an older version, which recorded too little"
        raise DataError(f"{args.run}: the run {missing}; there is nothing to compare with")
    output = Path(args.output_dir or f"{run.folder.resolve()}_reproduced")
    if output.resolve() == run.folder.resolve():
        raise ConfigError(f"--output-dir {output}: is the run itself; its files would be replaced")
    resumed = is_run(output)
    if resumed:
        _check_same(run, output)
    config = _write_config(run, output)
    cfg = load_config(config)
    for sentence in _changes(run, cfg, args.changed_data):
        logger.warning(f"not as it was: {sentence}")
    words = ["--config-file", str(config), "--num-gpus", str(_processes(run))]
    train.main([*(["--resume"] if resumed else []), *([OPTION] if args.allow_downloads else []), *words])
    return _compare(run, read_run(output), args.tolerance)


def _write_config(run: Run, output: Path) -> Path:
    """Write the configuration of a run, with another OUTPUT_DIR, into the new folder; return its path."""
    sections: dict[str, Any] = {}
    for key, value in (run.config | {"OUTPUT_DIR": str(output)}).items():
        *names, last = key.split(".")
        section = sections
        for name in names:
            section = section.setdefault(name, {})
        section[last] = value
    path = make_folder(output, "--output-dir") / FILE
    check_output(path, "--output-dir", lambda found: head(found).startswith(MARK.encode()))
    text = f"{MARK} of {run.folder.name!r}\n{yaml.safe_dump(sections, sort_keys=False)}"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def _check_same(run: Run, output: Path) -> None:
    """Raise ConfigError where the new folder holds a run of another configuration, which would be gone on with."""
    there = read_run(output).config
    for key, value in run.config.items():
        if key != "OUTPUT_DIR" and same_text(there.get(key, value)) != same_text(value):
            raise ConfigError(
                f"--output-dir {output}: holds another run: its {key} is {short_value(there[key])}, that of the run to "
                f"reproduce {short_value(value)}; choose another folder"
            )


def _changes(run: Run, cfg: CfgNode, changed_data: bool) -> Iterator[str]:
    """Yield a sentence for each thing but the configuration that is not as it was when the run was started.

    Raises:
        DataError: the lists of images, unless `changed_data`.
    """
    then, now = run.record, _about_now(cfg)
    if run.state != FINISHED:
        yield f"the run was {run.state}; {len(run.history)} epochs are compared"
    starts = [start.get("config") for start in then.get("starts") or [] if isinstance(start, dict)]
    if any(config != then["config"] for config in starts):
        yield "the run was resumed with other settings; they count from the first epoch now"
    for name in ("versions", "device", "precision", "git", "weights"):
        if then.get(name) != now[name]:
            yield f"{name}: {_shown(then.get(name), now[name])} then, {_shown(now[name], then.get(name))} now"
    if (processes := then.get("processes")) != 1:
        yield f"{short_value(processes)} processes then, {_processes(run)} now (--num-gpus): sums may differ in last bits"
    lists_then, lists_now = _lists(then.get("lists")), _lists(now["lists"])
    for name in lists_then | lists_now:
        if lists_then.get(name) != lists_now.get(name):
            sizes = " then, ".join(_size(lists.get(name)) for lists in (lists_then, lists_now))
            sentence = f"{name}: {sizes} now; images, identities or their order were changed"
            if not changed_data:
                raise DataError(f"{run.folder}: {sentence}; --changed-data reproduces the run with what is there now")
            yield sentence


def _about_now(cfg: CfgNode) -> dict[str, Any]:
    device = set_up_device(cfg)
    precision = training_precision(cfg.SOLVER.AMP.ENABLED, device.device)
    tokenize = build_tokenizer(cfg)
    samples = build_train_loader(cfg, device.device, tokenize=tokenize).samples
    tests = load_test_sets(cfg, texts=tokenize is not None, skipped={}, required=False)
    return about(cfg, [], run_identity(cfg, samples), device, precision, tests)


def _processes(run: Run) -> int:
    """Return the number of processes of a run, as far as this machine has GPUs, or cores where it has none."""
    number = run.record.get("processes")
    most = torch.cuda.device_count() or os.cpu_count() or 1
    return min(number, most) if isinstance(number, int) and number > 0 else 1


def _shown(value: Any, other: Any) -> str:
    """Return a value of a record in short; of a dict the entries that another one has not."""
    if not isinstance(value, dict):
        return str(value or "none")
    others = other if isinstance(other, dict) else {}
    return ", ".join(f"{name} {found or 'none'}" for name, found in value.items() if others.get(name) != found) or "none"


def _lists(lists: Any) -> dict[str, Any]:
    """Return {name of a list: its digest}."""
    found = lists if isinstance(lists, dict) else {}
    tests = found.get("tests")
    named = {f"test set {name}": digest for name, digest in (tests if isinstance(tests, dict) else {}).items()}
    return {"training set": found.get("train"), **named}


def _size(digest: Any) -> str:
    return f"{digest.get('images')} images of {digest.get('identities')} identities" if isinstance(digest, dict) else "none"


def _compare(then: Run, now: Run, tolerance: float) -> int:
    """Log how two runs differ; return 0 where the metrics agree, or the losses where there is no metric."""
    differences = compare(then.history, now.history)
    for kind, difference in differences.items():
        logger.info(difference.sentence(kind))
    decisive = METRICS if differences[METRICS].compared else LOSSES
    agree = differences[decisive].largest <= tolerance
    within = f" within {tolerance:g}" if tolerance else ""
    logger.info(f"{then.folder} is {'' if agree else 'not '}reproduced{within} by {now.folder}")
    return 0 if agree else 1
