"""Ranking of feature vectors: nearest neighbours, query expansion, re-ranking and exact metrics, in float32."""
