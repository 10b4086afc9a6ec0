"""Settings of neural networks on graphs that several experiments compare."""

from typing import Any

__all__ = ["PUBLISHED_SIZES", "SMALL_TRANSFORMERS"]

_LARGE_STEPS = {"epochs": 100, "batch": 16, "learning_rate": 1e-3}

PUBLISHED_SIZES: dict[str, dict[str, Any]] = {
    "Neural Predictor, 300 epochs": {"kind": "neural-predictor"},
    "pure transformer, 12 layers": {"kind": "pure-transformer", **_LARGE_STEPS},
    "TART, graph, 6 layers": {"kind": "tart-graph", "width": 64, "layers": 6, "features": "full", **_LARGE_STEPS},
}
"""Methods with the layers of the TART paper, fitted in batches of 16. Experiments leave them out unless they are named,
since a fit to 240 networks of DeepNets-1M takes some two minutes on a GPU and ten on one CPU core."""

SMALL_TRANSFORMERS: dict[str, dict[str, Any]] = {
    "pure transformer": {"kind": "pure-transformer", "width": 32, "layers": 4},
    "TART, graph": {"kind": "tart-graph"},
}
"""Small networks, by default 100 epochs in batches of 4: a fit to 240 networks of DeepNets-1M takes some three minutes
on one CPU core."""
