"""Drawings: from list files and folders to batches."""
