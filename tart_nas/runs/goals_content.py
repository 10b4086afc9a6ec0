"""What a report page shows of limits and objectives besides accuracy."""

from typing import Any

from tart_nas.runs.costs import own_image_size
from tart_nas.runs.goals import COSTS
from tart_nas.runs.result import SearchResult
from tart_nas.runs.trained_pick import TrainedPick
from tart_nas.search_spaces import TrialArchitecture

__all__ = ["GOAL_ALTS", "goals_content", "shown_cost"]

GOAL_ALTS = {
    "predicted-front": "Predicted score of all candidates against what they cost, with the Pareto front.",
    "measured-front": "Measured accuracy of the trained networks against what they cost, with the Pareto front.",
}
_HEADERS = {"params": "parameters", "flops": "FLOPs", "latency_ms": "latency (ms)"}


def goals_content(result: SearchResult) -> dict[str, Any]:
    """The values of the template ``report.html`` on goals; empty ones where accuracy was the only one."""
    goals = result.settings.goals
    if not goals:
        return {"goals": "", "goal_image": "", "goal_headers": [], "goal_rows": [], "latency_agreement": ""}
    headers = [_HEADERS[name] for name in goals.costs]
    if "latency_ms" in goals.costs:
        headers.append("predicted (ms)")
    latency = result.latency_agreement()
    front = {p.pick.name for p in result.measured_front()}
    return {
        "goals": result.goals_sentence(),
        "goal_image": _image(result),
        "latency_agreement": "" if latency is None else latency.sentence(),
        "goal_headers": headers,
        "goal_rows": [_row(p, goals.costs, p.pick.name in front) for p in result.picks],
    }


def _image(result: SearchResult) -> str:
    """Height and width of the image that the costs are for, as :class:`tart_nas.runs.costs.Costs` takes it."""
    for pick in (p.pick for p in result.picks):
        if isinstance(pick.architecture, TrialArchitecture):  # candidates of a user's own space, given ones too
            _, height, width = pick.architecture.input_size
            return f"{height}×{width}"
    size = own_image_size(result.settings.dataset, result.facts.image_size)
    return f"{size}×{size}"


def _row(p: TrainedPick, names: tuple[str, ...], is_on_front: bool) -> dict[str, Any]:
    texts = [_text(name, p.pick.costs.get(name)) for name in names]
    if "latency_ms" in names:
        texts.append(_text("latency_ms", p.pick.costs.get("predicted_latency_ms")))
    accuracy = "\N{EN DASH}" if p.validation_accuracy is None else f"{100 * p.validation_accuracy:.2f}"
    side = "random" if p.pick.is_random else "top"
    return {"name": p.pick.name, "side": side, "accuracy": accuracy, "costs": texts, "front": is_on_front}


def _text(name: str, value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.3g}" if name == "latency_ms" else f"{value:,.0f}"


def shown_cost(result: SearchResult) -> str:
    """The cost that the figures show: the first objective besides accuracy, else the first limit."""
    objectives = [COSTS[name] for name in result.settings.goals.objectives if name != "accuracy"]
    return (objectives or list(result.settings.goals.costs))[0]
