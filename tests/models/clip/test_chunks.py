"""Gradient caching: gradients of the whole batch, in the memory of one chunk."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from fastpatent.models import build_model
from tests.models.pairs import CAPTIONS, assert_same_gradients, config, drawings, gradients


def test_chunks_have_the_gradients_of_the_whole_batch(pair_file):
    for lock, checkpointing in (([], False), ([], True), (["text"], False), (["text"], True)):
        model = build_model(config(pair_file(), MODEL__CLIP__LOCK=lock, MODEL__CLIP__CHECKPOINTING=checkpointing))
        tokens = model.tokenize(CAPTIONS)
        expected, loss = gradients(model, drawings(), tokens)
        for model.chunk in (1, 4, 5):
            found, chunked = gradients(model, drawings(), tokens)
            torch.testing.assert_close(chunked, loss, rtol=1e-5, atol=0)
            assert_same_gradients(expected, found)


def test_a_recomputed_chunk_drops_the_same_patches(pair_file):
    model = build_model(config(pair_file("patch dropout"), MODEL__CLIP__CHUNK=2))
    tokens = model.tokenize(CAPTIONS)
    found, loss = gradients(model, drawings(), tokens)
    assert gradients(model, drawings(), tokens, seed=1)[1] != loss
    tower = model.visual.forward
    # The same chunks, with all activations stored.
    model.chunk, model.visual.forward = 0, lambda images: torch.cat([tower(chunk) for chunk in images.split(2)])
    expected, stored = gradients(model, drawings(), tokens)
    assert torch.equal(*stored.values(), *loss.values())
    assert_same_gradients(expected, found)


class AliveBytes(TorchDispatchMode):
    """Counts the bytes of all storages created under it and still alive; `peak` is the maximum."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak, self._seen = 0, 0, set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self._seen:
                storage = tensor.untyped_storage()
                self._seen.add(storage._cdata)
                self.alive += storage.nbytes()
                self.peak = max(self.peak, self.alive)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return result

    def _free(self, place, size):
        self._seen.discard(place)
        self.alive -= size


def test_chunks_need_the_memory_of_one_of_them(pair_file):
    few_words = {"context_length": 16, "width": 32, "heads": 2, "layers": 2, "vocab_size": 8}
    model = build_model(config(pair_file(text_cfg=few_words)))
    images = drawings().repeat(16, 1, 1, 1)
    tokens = torch.randint(0, 8, (96, 16))

    def peak(chunk, count):
        model.chunk = chunk
        with AliveBytes() as counter:
            sum(model(images[:count], None, None, tokens[:count]).values()).backward()
        model.zero_grad()
        return counter.peak

    peak(0, 8)
    whole, chunked, alone = peak(0, 96), peak(8, 96), peak(0, 8)
    assert whole > 3 * alone
    assert chunked < 1.3 * alone
