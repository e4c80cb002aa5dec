"""Ranking of features, whatever made them: nearest rows, query expansion and exact metrics over float32 arrays."""
