"""How fast computational graphs become tokens, and how fast the ``tart-graph`` predictor scores them.

``python -m tart_nas.experiments.graph_tokens_speed`` prints graphs per second, the median of several rounds, for
networks with the rules of DeepNets-1M's val split. Beside the rate by the clock stands the one by processor time: what
the threads would reach if no other program had the cores, which is what counts where some do.

Scoring is stated against its floor: the operations that the encoder needs for the graphs' own tokens (no padding), over
the rate at which the same threads multiply large matrices in the same run. The last row says what bfloat16 changes, and
how far the scores move; the network's weights are random.

``--device cuda`` scores on a GPU: tokens and identifiers are made on the CPU, by the same threads, and are part of what
is measured. ``encoder alone`` is what the GPU needs for tokens that it has already.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from rich.console import Console
from scipy.stats import kendalltau

from tart_nas.devices import resolve_device
from tart_nas.encoders.graph_embedding import GraphInputs, RaggedGraphs
from tart_nas.experiments.runner import command
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import timings
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors.models.tart_graph import GraphEncoderSettings, GraphTransformer, TartGraph
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens.graph import GraphTokens
from tart_nas.tokens.identifiers import laplacian_eigenvectors, orthogonal_features

GOALS = {"tokens with ORF": 3000, "tokens with LAP": 1000}  # graphs/s
SCORING, BFLOAT16 = "scoring, tokens to scores", "scoring, bfloat16"

_CHUNK = 64  # graphs that become tokens at once
_MATRIX = {"cpu": 1024, "cuda": 8192}  # rows and columns of the matrices whose product gives the machine's rate


def tokenize(graphs: list[ComputationalGraph], identifiers: str, width: int, pool: ThreadPoolExecutor) -> None:
    """Tokens and identifiers of all graphs, in chunks over the pool's threads."""

    def chunk(first: int) -> None:
        tokens = GraphTokens.encode(graphs[first : first + _CHUNK])
        if identifiers == "orf":
            orthogonal_features(tokens.sizes[:, 0], tokens.positions, width)
        else:
            laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, width)

    list(pool.map(chunk, range(0, len(graphs), _CHUNK)))


class Scoring:
    """All graphs, in the passes and threads of the predictor.

    Args:
        inputs: the graphs' tokens.
        pool: the threads.
    """

    def __init__(self, inputs: RaggedGraphs, pool: ThreadPoolExecutor) -> None:
        self._inputs, self._pool = inputs, pool
        model = TartGraph()
        model.to(torch.device(inputs.device))
        self._passes = model.chunks(inputs)

    def scores(self, network: GraphTransformer, dtype: torch.dtype | None = None) -> np.ndarray:
        """Scores of all graphs (n,), from their tokens; in another type where one is given."""
        scores = np.empty(len(self._inputs.tokens))

        def chunk(rows: np.ndarray) -> None:
            batch = self._inputs.take(torch.from_numpy(rows))
            scores[rows] = _outputs(network, batch, dtype).cpu().numpy()

        list(self._pool.map(chunk, self._passes))
        return scores

    def encoder_alone(self, network: GraphTransformer, dtype: torch.dtype | None) -> Callable[[], object]:
        """What scores batches that are on the device already, and waits for the GPU."""
        batches = [self._inputs.take(torch.from_numpy(rows)) for rows in self._passes]
        return lambda: [_outputs(network, batch, dtype) for batch in batches][-1].cpu()


def _outputs(network: GraphTransformer, batch: GraphInputs, dtype: torch.dtype | None) -> torch.Tensor:
    """Scores (B,) of a batch."""
    precision = torch.autocast(batch.primitive.device.type, dtype=dtype) if dtype else nullcontext()
    with torch.inference_mode(), precision:
        scores: torch.Tensor = network(batch)[:, 0].float()
    return scores


def operations(settings: GraphEncoderSettings, tokens: np.ndarray) -> float:
    """Floating-point operations of the encoder's matrix products, for sequences of so many tokens (B,) each.

    Two for each multiplication and addition. Of the last block only the ``[graph]`` token's state is needed.
    """
    D, T = settings.width, tokens + 1.0
    block = T * D * D * (4 + 2 * settings.expansion) + 2 * T * T * D
    last = T * D * D * 2 + D * D * (2 + 2 * settings.expansion) + 2 * T * D
    return float(2 * ((settings.layers - 1) * block + last).sum())


def matrix_rate(pool: ThreadPoolExecutor, device: torch.device, dtype: torch.dtype, rounds: int) -> float:
    """Operations per second: of a GPU, or of processor time over all threads at once."""
    size, threads = _MATRIX[device.type], pool._max_workers if device.type == "cpu" else 1
    matrices = [torch.rand(size, size, device=device).to(dtype) for _ in range(threads)]
    # A sum of few numbers is waited for, on a GPU too, whose products are only begun otherwise.
    work = {"": lambda: [float(product[0, 0]) for product in pool.map(lambda m: m @ m, matrices)]}
    timing = timings(work, rounds)[""]
    return float(2 * size**3 * threads / (timing.processor / threads if device.type == "cpu" else timing.seconds))


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Prints the rates, the floor and what bfloat16 changes."""
    device, rounds = resolve_device(arguments.device), arguments.rounds
    torch.set_num_threads(1)  # of an operation
    torch.manual_seed(0)
    graphs = [ComputationalGraph.from_architecture(a) for a in DeepNets1MSpace("val").sample(arguments.graphs, seed=0)]
    settings = GraphEncoderSettings()
    network = GraphTransformer(settings).eval().to(device)
    tokens = GraphTokens.encode(graphs)
    inputs = RaggedGraphs(tokens, settings.identifiers, settings.identifier_width, device=device)
    with ThreadPoolExecutor(arguments.threads) as pool:
        scoring = Scoring(inputs, pool)
        works: dict[str, Callable[[], object]] = {
            name: partial(tokenize, graphs, identifiers, settings.identifier_width, pool)
            for name, identifiers in zip(GOALS, ("orf", "lap"), strict=True)
        }
        works[SCORING] = partial(scoring.scores, network)
        if device.type == "cuda":
            for dtype in (None, torch.bfloat16):
                works[f"encoder alone, {dtype or 'float32'}"] = scoring.encoder_alone(network, dtype)
        works[BFLOAT16] = partial(scoring.scores, network, torch.bfloat16)
        found = timings(works, rounds)
        flops = [matrix_rate(pool, device, dtype, 4 * rounds) for dtype in (torch.float32, torch.bfloat16)]
        plain, rounded = scoring.scores(network), scoring.scores(network, torch.bfloat16)
    clock = {name: len(graphs) / timing.seconds for name, timing in found.items()}
    own = {name: len(graphs) * arguments.threads / timing.processor for name, timing in found.items()}
    rows = [(name, f"{clock[name]:,.0f}", f"{own[name]:,.0f}", GOALS.get(name, "")) for name in works]
    nodes, edges = tokens.sizes.mean(axis=0)
    title = f"{len(graphs)} graphs of {nodes:.0f} nodes and {edges:.0f} edges, {arguments.threads} threads"
    console.print(table(("", "graphs/s", "by processor time", "goal"), rows, f"{title}, {arguments.device}"))
    counted = clock if device.type == "cuda" else own
    needed = operations(settings, tokens.sizes.sum(axis=1)) / len(graphs)
    console.print(f"{needed / 1e6:,.0f} million operations a graph; large matrices, float32 and bfloat16:", end=" ")
    console.print(", ".join(f"{rate / 1e9:,.0f} Gflop/s" for rate in flops))
    floor = flops[0] / needed
    console.print(f"Floor: {floor:,.0f} graphs/s in float32; scoring reaches {counted[SCORING] / floor:.0%} of it.")
    tau, most = kendalltau(rounded, plain).statistic, np.abs(rounded - plain).max() / plain.std()
    console.print(f"bfloat16: {counted[BFLOAT16] / counted[SCORING]:.2f} times as fast;", end=" ")
    console.print(f"tau with the plain scores {tau:.4f}, largest difference {most:.0e} standard deviations")


OPTIONS = {"--graphs": 500, "--rounds": 5, "--threads": torch.get_num_threads(), "--device": "cpu"}
main = partial(command, __doc__, OPTIONS, run)


if __name__ == "__main__":
    sys.exit(main())
