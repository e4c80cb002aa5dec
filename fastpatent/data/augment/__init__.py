"""Augmentation of batches on their device; the random numbers of an image depend on its position in the sample stream."""
