"""Start a job in one process or in many: under torchrun, by --num-gpus, or over several machines."""

import argparse
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from fastpatent import log
from fastpatent.commands.run import run
from fastpatent.commands.together import GRACE, ending_together
from fastpatent.distributed import LOCAL_WORLD_SIZE, environment_number, is_launched
from fastpatent.errors import ConfigError

_started_here: int | None = None  # number of a process that --num-gpus has started
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"  # the network interface that other machines do not reach
logger = logging.getLogger(__name__)


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """Add --num-gpus, --num-machines, --machine-rank and --dist-url to an argparse parser."""
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on this machine, one per GPU (default 1)")
    parser.add_argument("--num-machines", type=int, default=1, help="machines that take part (default 1)")
    parser.add_argument("--machine-rank", type=int, default=0, help="this machine's number, from 0")
    parser.add_argument("--dist-url", default="auto", help="tcp://HOST:PORT of machine 0; chosen where there is one machine")


def launch(job: Callable[..., Any], args: argparse.Namespace, *job_args: Any) -> Any:
    """Run `job(*job_args)` in every process and return its result in this one (None where processes were started).

    Under torchrun the processes exist already and only connect. Processes on one machine find each other by a file that only
    this user can read, and no port is open to other machines. `job` must be importable by name.
    """
    if is_launched():
        rank, world_size = (environment_number(name) for name in ("RANK", "WORLD_SIZE"))
        return _join({"init_method": "env://"}, rank, world_size, job, job_args)
    if left := [name for name in ("RANK", "WORLD_SIZE") if name in os.environ]:
        logger.warning(f"{' and '.join(left)} of the environment ignored: without MASTER_ADDR this is no run of torchrun")
    world_size = args.num_gpus * args.num_machines
    if world_size == 1:
        return job(*job_args)
    if args.num_gpus < 1 or args.num_machines < 1 or not 0 <= args.machine_rank < args.num_machines:
        raise ConfigError(
            f"--num-gpus {args.num_gpus} --num-machines {args.num_machines} --machine-rank {args.machine_rank}"
        )
    if args.dist_url == "auto" and args.num_machines > 1:
        raise ConfigError("--dist-url: several machines need tcp://HOST:PORT of machine 0")
    with _private_folder() as folder:
        _run_children(folder, args, world_size, job, job_args)
    return None


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Make a folder that only this user can enter, also for what `spawn` reads as a pickle, the errors of its children."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="fastpatent-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def _run_children(folder: Path, args: argparse.Namespace, world_size: int, job: Callable[..., Any], job_args: tuple) -> None:
    """Start the processes of this machine and wait for them; their store is in `folder` where it is the only machine."""
    url = "" if args.dist_url == "auto" else args.dist_url
    children = spawn(
        _child,
        (args.num_gpus, args.machine_rank, world_size, url, folder / "store", log.early(), job, job_args),
        nprocs=args.num_gpus,
        join=False,
    )
    assert children, "join=False returns the processes"

    def forward(number: int, _: Any) -> None:
        for process in filter(None, children.processes):
            process.terminate()

    # Ctrl-C reaches the children too, which save first; a scheduler's SIGTERM is for this process alone.
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, forward)
    try:
        while not children.join(grace_period=2 * GRACE):
            pass
    except ProcessExitedException as error:  # the child has reported why
        raise SystemExit(error.exit_code) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def local_rank() -> int:
    """Return this process's number on its own machine, which is also the number of its GPU."""
    if _started_here is not None:
        return _started_here
    return environment_number("LOCAL_RANK") if is_launched() and "LOCAL_RANK" in os.environ else 0


def _child(
    index: int,
    num_gpus: int,
    machine_rank: int,
    world_size: int,
    url: str,
    store: Path,
    early: list[logging.LogRecord],
    job: Callable[..., Any],
    job_args: tuple,
) -> None:
    global _started_here
    _started_here = index
    os.environ[LOCAL_WORLD_SIZE] = str(num_gpus)
    rank = machine_rank * num_gpus + index

    def join() -> Any:
        log.remember(early)
        if url:
            return _join({"init_method": url}, rank, world_size, job, job_args)
        os.environ["GLOO_SOCKET_IFNAME"] = LOOPBACK
        meeting = dist.FileStore(str(store), world_size)  # pyright: ignore[reportPrivateImportUsage]
        return _join({"store": meeting}, rank, world_size, job, job_args)

    code = run(join)
    if code:
        raise SystemExit(code)


def _join(meeting: dict[str, Any], rank: int, world_size: int, job: Callable[..., Any], job_args: tuple) -> Any:
    """Connect to the other processes, which have the same `meeting`: init_method or store of torch.distributed."""
    cuda = torch.cuda.is_available() and local_rank() < torch.cuda.device_count()
    if cuda:
        torch.cuda.set_device(local_rank())
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", rank=rank, world_size=world_size, **meeting)
    try:
        with ending_together():
            return job(*job_args)
    finally:
        dist.destroy_process_group()
