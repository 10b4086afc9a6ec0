"""``tart-nas draw``: a computational graph, or the cells it is made of, as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from tart_nas.choices import FIGURE_SUFFIXES, Split
from tart_nas.cli.judging import JudgedAtOption, at_judged_size
from tart_nas.cli.networks import FORMS, find_network
from tart_nas.cli.options import STRING, ImageSizeOption, predictor_or_file, written_as
from tart_nas.cli.own_spaces import SpaceOption

__all__ = ["draw"]


def draw(
    out: Annotated[Path, typer.Option(callback=written_as(FIGURE_SUFFIXES), help="The picture: .png, .svg or .pdf.")],
    network: Annotated[
        str | None,
        typer.Argument(
            help=f"{FORMS}; the folder of a search, of which the best network is taken; the folder of a trained "
            "network; or a file of architectures.",
        ),
    ] = None,
    string: Annotated[str | None, STRING] = None,
    cells: Annotated[bool, typer.Option("--cells", help="Draw the normal and the reduction cell instead.")] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            callback=predictor_or_file,
            help="A predictor's name or file: draw the cells, and what each operation adds to its prediction.",
        ),
    ] = None,
    judged_at: JudgedAtOption = None,
    split: Annotated[Split | None, typer.Option(help="Of a folder of DeepNets-1M: the split.")] = None,
    index: Annotated[int, typer.Option(min=0, help="Of a file or a split: which network.")] = 0,
    image_size: ImageSizeOption = None,
    space: SpaceOption = None,
) -> None:
    """Draw the graph or the cells of a network."""
    from tart_nas.drawing import draw_cells, draw_graph
    from tart_nas.errors import SettingError

    found = find_network(network, split, index, string, space)
    if cells or explain is not None:
        if found.architecture is None:
            raise SettingError(f"{found.name} is not made of cells: draw it without --cells and --explain.")
        effects = None
        if explain is not None:
            from tart_nas.predictors import Predictor

            predictor = Predictor.open(explain)
            [judged] = at_judged_size([found.architecture], predictor, judged_at)
            explanation = predictor.explain(judged)
            effects = {"normal": explanation.normal, "reduce": explanation.reduce}
            print(explanation)
        draw_cells(found.architecture.genotype, out, effects=effects)
        print(f"the cells of {found.name}: {out}")
        return
    graph = found.graph(image_size)
    draw_graph(graph, out)
    print(f"{found.name}, {graph.num_nodes} nodes, {graph.num_edges} edges: {out}")
