"""Sweeps: which values of keys are tried, the study of them that processes share, trials, and what is written of them."""
