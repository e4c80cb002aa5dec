"""User-facing results of a benchmark: tables, plots, and one page with all of them."""
