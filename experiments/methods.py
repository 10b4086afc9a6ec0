"""Settings of neural networks on graphs that several experiments compare."""

from typing import Any

__all__ = ["PUBLISHED_SIZES", "SMALL_TRANSFORMERS"]

PUBLISHED_SIZES: dict[str, dict[str, Any]] = {
    "Neural Predictor, 300 epochs": {"kind": "neural-predictor"},
    "pure transformer, 12 layers": {"kind": "pure-transformer", "epochs": 100},
    "TART, graph, 6 layers": {"kind": "tart-graph", "layers": 6, "epochs": 100},
}
"""Methods with the layers of the TART paper: experiments leave them out unless they are named, since a fit to 240
networks of DeepNets-1M takes some two minutes on a GPU and ten on one CPU core."""

SMALL_TRANSFORMERS: dict[str, dict[str, Any]] = {
    "pure transformer": {"kind": "pure-transformer", "width": 32, "layers": 4, "epochs": 20},
    "TART, graph": {"kind": "tart-graph", "width": 32, "layers": 3, "epochs": 20},
}
"""As small, with as few epochs, as the time on two cores allows."""
