"""In words: what the predictions of a run are of, and what its measurements are of. The two budgets differ."""

from collections.abc import Mapping, Sequence

from tart_nas.architecture import Architecture
from tart_nas.runs.result import SearchResult
from tart_nas.search_spaces.trial_architecture import AnyArchitecture

__all__ = ["predicted_value", "predicted_with", "size_of_cells", "trained_with"]


def predicted_value(result: SearchResult) -> str:
    """The quantity that the predictor gives, with its unit: ``accuracy (%)``."""
    predictor = result.facts.predictor
    return predictor.target + (f" ({predictor.unit})" if predictor.unit else "")


def predicted_with(result: SearchResult) -> str:
    """The predictor and the size and training that its values are of: ``darts-cifar10, of 8 cells, 32 channels``."""
    predictor = result.facts.predictor
    size = predictor.size
    sizes = size_of_cells([p.pick.architecture for p in result.picks], size)
    parts = [f"{value} {name}" for name, value in sizes]
    parts += _training(predictor.labels)
    return f"by {predictor.name}" + (f", for {', '.join(parts)}" if parts else "")


def trained_with(result: SearchResult) -> str:
    """What the networks were trained with: ``2 cells, 4 channels, 32x32 pixels, 270 images, 3 epochs``."""
    parts = [f"{value} {name}" for name, value in size_of_cells([p.pick.trained for p in result.picks])]
    budget = {
        "image_size": result.facts.image_size,
        "train_images": result.image_counts.get("train", result.settings.budget.train_images),
        "epochs": result.settings.recipe.epochs,
    }
    return ", ".join(parts + _training(budget))


def size_of_cells(architectures: Sequence[AnyArchitecture], known: Mapping[str, int] = {}) -> list[tuple[str, str]]:
    """``("cells", "8")`` and ``("channels", "8 to 32")``; nothing of networks without cells.

    Args:
        architectures: of a run.
        known: ``n_cells`` and ``C`` where all are read at one size.
    """
    of_cells = [a for a in architectures if isinstance(a, Architecture)]
    if not of_cells:
        return []
    return [
        ("cells", _value_range([known.get("n_cells", a.n_cells) for a in of_cells])),
        ("channels", _value_range([known.get("C", a.C) for a in of_cells])),
    ]


def _training(budget: Mapping[str, int | None]) -> list[str]:
    size, images, epochs = (budget.get(name) for name in ("image_size", "train_images", "epochs"))
    parts = [] if size is None else [f"{size}×{size} pixels"]
    parts += [] if images is None else [f"{images:,} images"]
    return parts + ([] if epochs is None else [f"{epochs} epoch{'s' if epochs > 1 else ''}"])


def _value_range(values: Sequence[int]) -> str:
    """``8``, or ``4 to 20``."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
