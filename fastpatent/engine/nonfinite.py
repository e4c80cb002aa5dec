"""A loss that is not finite: the step is refused before the update, and its images are named."""

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from fastpatent.data.records import Sample
from fastpatent.distributed import collect, world_size
from fastpatent.engine.checkpoint import last_checkpoint
from fastpatent.errors import FastPatentError

SHOWN = 3  # images that the error names


class LossGuard:
    """Blocks every update of an optimizer from the first loss that is not finite on, in all processes together.

    A fused optimizer skips an update where its `found_inf` is 1, which is how torch's GradScaler uses it. So the loss is
    checked on the device, the host does not wait for it until `check`, and the steps until then change no weight. An
    optimizer that is not fused cannot skip: there every step waits for its loss.

    Args:
        optimizer: torch optimizer.
        device: torch.device of the losses.
        samples: list of `Sample` that the indices of a batch count through.
        folder: OUTPUT_DIR, whose last checkpoint a message names.

    Attributes:
        cheap: whether `check` need not wait for the device, so that it may be called after every step.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        samples: Sequence[Sample],
        folder: str | os.PathLike[str],
    ) -> None:
        self.optimizer, self.samples, self.folder, self.cheap = optimizer, samples, folder, device.type == "cpu"
        fused = all(group.get("fused") for group in optimizer.param_groups)
        self.waits = not (fused and device.type in ("cpu", "cuda"))
        self._refused = torch.zeros((), device=device)  # 1 from the first refused step of any process on
        self._iteration = torch.full((), -1, device=device)  # of this process's first loss that is not finite
        self._loss = torch.zeros((), device=device)
        self._indices: dict[int, torch.Tensor] = {}
        if not self.waits:
            optimizer.register_step_pre_hook(self._skip)

    def watch(self, loss: torch.Tensor, indices: torch.Tensor, iteration: int) -> None:
        """Check the loss of a step whose update comes next.

        Args:
            loss: scalar tensor.
            indices: int64 [batch] on the CPU, the samples of this process's share.
            iteration: number of the step.

        Raises:
            FastPatentError: as `check`, at once where the optimizer is not fused.
        """
        self._indices[iteration] = indices
        first = ~torch.isfinite(loss) & (self._iteration < 0)
        self._iteration.masked_fill_(first, iteration)  # torch.where would first have to copy the number to the device
        self._loss = torch.where(first, loss.float(), self._loss)
        self._refused = torch.maximum(self._refused, first.float())
        if world_size() > 1:
            dist.all_reduce(self._refused, dist.ReduceOp.MAX)
        if self.waits:
            self.check()

    def passed(self, iteration: int) -> None:
        """Forget the images of all steps up to `iteration`, whose losses were finite."""
        for number in [number for number in self._indices if number <= iteration]:
            del self._indices[number]

    def check(self) -> None:
        """Wait for the device, and raise where a step was refused; every process has to call it after the same step.

        Raises:
            FastPatentError: which step it was and what it was trained on, the same sentence in every process.
        """
        if not self._refused:
            self._indices.clear()
            return
        found = [finding for finding in collect(self._finding(), everywhere=True) or () if finding]
        iteration, loss, _ = found[0]
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        last = last_checkpoint(self.folder)
        advice = f"continue from {last} with --resume and a lower one" if last else "start anew with a lower one"
        raise FastPatentError(
            f"the loss became {loss} at iteration {iteration}: the learning rate, {rate:.2g} (SOLVER.BASE_LR), may be too "
            f"large, {advice}. That step and all after it changed no weight. If the rate is not at fault, look at the "
            f"images of the batch: {'; '.join(images for *_, images in found)}"
        )

    def _finding(self) -> tuple[int, float, str] | None:
        """Return (iteration, loss, some images) of this process's first loss that is not finite, None where all were."""
        iteration = int(self._iteration)
        if iteration < 0:
            return None
        paths = list(dict.fromkeys(self.samples[index].path for index in self._indices[iteration].tolist()))
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        return iteration, float(self._loss), ", ".join(paths[:SHOWN]) + more

    def _skip(self, optimizer: Any, *_: Any) -> None:
        """Skip this update where a step was refused, or where a GradScaler has found an overflow."""
        overflow = getattr(optimizer, "found_inf", self._refused)
        optimizer.found_inf = torch.maximum(overflow, self._refused)
