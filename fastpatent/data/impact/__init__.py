"""IMPACT: half a million design patents with texts, published as CSV files (Shomee et al.)."""
