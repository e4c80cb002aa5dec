"""Augmentation of whole batches on the device they lie on, drawn per image from its place in the sample stream."""
