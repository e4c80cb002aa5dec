"""P identities x K per batch, half of them drawings, half photographs (Sangkloy et al., SIGGRAPH 2016)."""

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from fastpatent.data.records import DRAWING, PHOTO, Sample
from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.identity import IdentitySampler, NaiveIdentitySampler
from fastpatent.errors import ConfigError, DataError


class CrossDomainSampler(IdentitySampler):
    """Give each identity of a batch num_instance / 2 pairs of a drawing and a photograph, chosen anew in every pass.

    Args:
        labels: int [samples], 0..n-1.
        domains: int [samples], DRAWING or PHOTO.
        identities: name of each label, for messages.
        batch_size, num_instance, seed: see `IdentitySampler`; `num_instance` is even.

    Raises:
        ConfigError: the batch cannot be filled so; DataError: an identity has no drawing or no photograph.
    """

    unit_size = 2  # each process has both

    def __init__(
        self,
        labels: Sequence[int],
        domains: Sequence[int],
        identities: dict[int, str | None],
        batch_size: int,
        num_instance: int,
        seed: int,
    ) -> None:
        super().__init__(labels, batch_size, num_instance, seed)
        if num_instance % 2:
            raise ConfigError(f"DATALOADER.NUM_INSTANCE: {num_instance} must be even: half drawings, half photographs")
        self.sides = []
        for domain, name in ((DRAWING, "drawing"), (PHOTO, "photograph")):
            places = np.flatnonzero(np.asarray(domains) == domain)
            found = np.bincount(self.labels[places], minlength=len(self.counts))
            if not found.all():
                raise DataError(
                    f"{identities[int(found.argmin())]}: has no {name}, and CrossDomainSampler takes both of each identity"
                )
            side = NaiveIdentitySampler(self.labels[places], batch_size // 2, num_instance // 2, seed)
            self.sides.append((places, side))

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """See `IdentitySampler.choose`."""
        chosen = [places[side.choose(generator, number, identities)] for places, side in self.sides]
        return np.stack(chosen, axis=2).reshape(len(identities), self.num_instance)


@SAMPLERS.register(name="CrossDomainSampler")
def build_cross_domain_sampler(cfg: CfgNode, labels: Sequence[int], samples: Sequence[Sample]) -> CrossDomainSampler:
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.NUM_INSTANCE and SEED."""
    return CrossDomainSampler(
        labels,
        [sample.domain for sample in samples],
        dict(zip(labels, (sample.identity for sample in samples))),
        cfg.SOLVER.IMS_PER_BATCH,
        cfg.DATALOADER.NUM_INSTANCE,
        cfg.SEED,
    )
