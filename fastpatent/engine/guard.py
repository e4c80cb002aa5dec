"""A loss that is not finite: the step is refused before the update, and its drawings are named."""

import torch
import torch.distributed as dist

from fastpatent.distributed import world_size
from fastpatent.errors import FastPatentError

SHOWN = 3  # drawings that a sentence names


class LossGuard:
    """Keeps an optimizer from every update from the first loss on that is not finite, in all processes together.

    A fused optimizer skips an update where its `found_inf` is 1, which is how torch's GradScaler uses it. So the loss is
    judged on the device, nothing waits for it until `check`, and the steps until then change no weight. An optimizer that is
    not fused cannot skip: there every step waits for its loss.

    Args:
        optimizer: torch optimizer.
        device: torch.device of the losses.
        samples: list of `Sample` that the indices of a batch count through.

    Attributes:
        cheap: whether `check` waits for nothing, so that it may be called after every step.
    """

    def __init__(self, optimizer, device, samples):
        self.samples, self.cheap = samples, device.type == "cpu"
        fused = all(group.get("fused") for group in optimizer.param_groups)
        self.waits = not (fused and device.type in ("cpu", "cuda"))
        self._refused = torch.zeros((), device=device)  # 1 from the first refused step of any process on
        self._iteration = torch.full((), -1, device=device)  # of this process's first loss that is not finite
        self._loss = torch.zeros((), device=device)
        self._indices = {}
        if not self.waits:
            optimizer.register_step_pre_hook(self._skip)

    def watch(self, loss, indices, iteration):
        """Judge the loss of a step whose update comes next.

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

    def passed(self, iteration):
        """Forget the drawings of all steps up to `iteration`, whose losses have turned out finite."""
        for number in [number for number in self._indices if number <= iteration]:
            del self._indices[number]

    def check(self):
        """Wait for the device, and raise where a step was refused; every process has to call it after the same step.

        Raises:
            FastPatentError: which step it was and what it was trained on, the same sentence in every process.
        """
        if not self._refused:
            self._indices.clear()
            return
        findings = [self._finding()]
        if world_size() > 1:
            findings = [None] * world_size()
            dist.all_gather_object(findings, self._finding())
        findings = [finding for finding in findings if finding]
        iteration, loss, _ = findings[0]
        raise FastPatentError(
            f"the loss became {loss} at iteration {iteration}: nothing was learned from that step and nothing after it, the "
            f"last checkpoint stands; drawings of the batch: {'; '.join(drawings for *_, drawings in findings)}"
        )

    def _finding(self):
        """Return (iteration, loss, some drawings) of this process's first loss that is not finite, None where all were."""
        iteration = int(self._iteration)
        if iteration < 0:
            return None
        paths = list(dict.fromkeys(self.samples[index].path for index in self._indices[iteration].tolist()))
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        return iteration, float(self._loss), ", ".join(paths[:SHOWN]) + more

    def _skip(self, optimizer, *_):
        """Have this update skipped where a step was refused, or where a GradScaler has found an overflow."""
        overflow = getattr(optimizer, "found_inf", self._refused)
        optimizer.found_inf = torch.maximum(overflow, self._refused)
