"""Networks over token sequences, of which predictors are made: embeddings of cells and of graphs, and the encoder."""
