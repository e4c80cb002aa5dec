"""User-facing results: tables, plots, ranked galleries."""
