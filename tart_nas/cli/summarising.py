"""``tart-nas summary``: what can be told of a network without training it."""

from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.choices import Split
from tart_nas.cli.judging import JudgedAtOption, at_judged_size, check_reads_graphs, predictor_for
from tart_nas.cli.networks import FORMS, FoundNetwork, find_network
from tart_nas.cli.options import STRING, DeviceOption, ImageSizeOption, predictor_or_file
from tart_nas.cli.own_spaces import SpaceOption
from tart_nas.errors import TartError, reason

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tart_nas.graphs import ComputationalGraph
    from tart_nas.predictors import Predictor

__all__ = ["summary"]

_WIDTH = 24  # characters of the first column: that of the longest target, "predicted noisy_accuracy"


def summary(
    network: Annotated[
        str | None,
        typer.Argument(help=f"{FORMS}; the folder of a search or of a trained network; or a file of architectures."),
    ] = None,
    string: Annotated[str | None, STRING] = None,
    split: Annotated[Split | None, typer.Option(help="Of a folder of DeepNets-1M: the split.")] = None,
    index: Annotated[int, typer.Option(min=0, help="Of a file or a split: which network.")] = 0,
    image_size: ImageSizeOption = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once when the time is measured.")] = 1,
    predictor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=predictor_or_file,
            help="What predicts: a bundled predictor's name or the file of a fitted one; default the bundled one that "
            "judges the network.",
        ),
    ] = None,
    judged_at: JudgedAtOption = None,
    space: SpaceOption = None,
    device: DeviceOption = None,
) -> None:
    """Tell parameters, FLOPs, measured latency and predictions of a network."""
    from tart_nas.devices import resolve_device
    from tart_nas.graphs import ParameterUse

    place = resolve_device(device)
    found = find_network(network, split, index, string, space)
    # Of a user's own space the file holds the graph, which tells all but the time.
    module = found.module(image_size) if found.candidate is None or space is not None else None
    size = found.input_size(image_size, module)
    graph = found.graph(image_size, module)
    if module is None:
        time = f"not measured: --space names what builds it, {found.candidate.space if found.candidate else ''}"
        total, notes = graph.num_parameters, []
    else:
        time = _latency(module, size, batch_size, place)
        # After it has run: a lazy network has no parameters before.
        total = sum(parameter.numel() for parameter in module.parameters())
        notes = ParameterUse.of(module, graph).sentences()
    unused = total - graph.num_parameters
    _print("network", f"{found.name}, {graph.num_nodes} nodes, {graph.num_edges} edges")
    _print("image", "x".join(map(str, size)))
    _print("parameters", f"{total:,}{f', {unused:,} of which do not influence the output' if unused else ''}")
    for note in notes:
        _print("", note)
    _print("FLOPs", f"{2 * graph.macs:,} ({graph.macs:,} multiply-accumulates)")
    _print("latency", time)
    for name, text in _predictions(found, graph, predictor, judged_at):
        _print(name, text)


def _print(name: str, text: str) -> None:
    print(f"{name:<{_WIDTH}} {text}")


def _latency(module: "nn.Module", size: tuple[int, int, int], batch_size: int, device: "torch.device") -> str:
    """The measured time of a forward pass on images of (channels, height, width), in words; it has run then."""
    from tart_nas.devices import describe_device
    from tart_nas.measurements import inference_time
    from tart_nas.measurements.inference_time import threads

    channels, height, width = size
    if channels != 3 or height != width:  # of which there is no reference network, relative to which times compare
        _run(module, size)
        return "not measured: only networks on square RGB images are timed"
    time = inference_time(module, height, batch_size=batch_size, device=device)
    with threads(1):  # as inside the measurement
        where = describe_device(device)
    images = f"{batch_size} images" if batch_size > 1 else "1 image"
    return (
        f"{time.milliseconds:.3g} ms for {images} on {where}: median of 15 passes, "
        f"{time.milliseconds / time.reference:.3g} times the reference network"
    )


def _run(module: "nn.Module", size: tuple[int, int, int]) -> None:
    """Runs a network once: a lazy one has no parameters before."""
    import torch

    from tart_nas.devices import evaluating, forked_rng

    with forked_rng(torch.device("cpu")), evaluating(module), torch.no_grad():
        module(torch.zeros(1, *size))


def _predictions(
    found: FoundNetwork, graph: "ComputationalGraph", named: str | None, judged_at: str | None
) -> list[tuple[str, str]]:
    """What a predictor predicts, or why none does: an error only where the user has named the predictor."""
    from tart_nas.predictors import Predictor

    if named is None and found.architecture is None:
        return [
            ("prediction", "none: the bundled predictors judge networks of cells; --predictor names one of your own")
        ]
    try:
        if found.architecture is None:
            judge, name = Predictor.open(str(named)), str(named)
            check_reads_graphs(judge)
            judged: Any = graph
        else:
            name, judge = predictor_for([found.architecture]) if named is None else (named, Predictor.open(named))
            [judged] = at_judged_size([found.architecture], judge, judged_at)
        return [_predicted(judge, name, judged, target) for target in judge.targets]
    except TartError as error:
        if named is not None:
            raise
        return [("prediction", f"none: {reason(error)}")]


def _predicted(judge: "Predictor", name: str, network: Any, target: str) -> tuple[str, str]:
    """What is predicted, and how much; the unit is that of the labels, which `tart-nas fit` was given."""
    mean, std = judge.predict([network], target=target, return_std=True)
    data = judge.notes.get("data")
    # A predictor of one target has no name for it, but the notes of `tart-nas fit` tell what the labels were.
    told = data.get("target") if len(judge.targets) == 1 and isinstance(data, dict) else None
    spread = "" if isnan(std[0]) else f" ± {std[0]:.2g}"
    what = "" if told is None and target == "target" else f" {told or target}"
    return f"predicted{what}", f"{mean[0]:.4g}{spread} ({name})"
