"""Architectures as vectors: embeddings of cells and of graphs, and a transformer over them.

They know of no labels, so that predictors and networks that predict parameters can be made of them alike.
"""
