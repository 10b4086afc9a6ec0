"""How fast computational graphs become tokens, and how fast the ``tart-graph`` predictor scores them.

``python -m tart_nas.experiments.graph_tokens_speed`` prints graphs per second, the median of several rounds, for
networks with the rules of DeepNets-1M's val split. Beside the rate by the clock stands the one by processor time: what
the threads would reach if no other program had the cores, which is what counts where some do.

Scoring is stated against its floor: the operations that the encoder needs for the graphs' own tokens (no padding), over
the rate at which the same threads multiply large matrices in the same run. The last rows say what bfloat16 and, with
``--compile``, torch.compile change, and how far the scores move; the network's weights are random.

``--device cuda`` scores on a GPU: tokens and identifiers are made on the CPU, by the same threads, and are part of what
is measured. ``scoring, encoder alone`` is what the GPU needs for tokens that it has already.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from tart_nas.devices import resolve_device
from tart_nas.encoders.graph_embedding import GraphInputs, RaggedGraphs
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors.models.tart_graph import GraphEncoderSettings, GraphTransformer, TartGraph
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens.graph import GraphTokens
from tart_nas.tokens.identifiers import laplacian_eigenvectors, orthogonal_features

GOALS = {"tokens with ORF": 3000, "tokens with LAP": 1000}  # graphs/s

_CHUNK = 64  # graphs that become tokens at once
_MATRIX, _GPU_MATRIX = 1024, 8192  # rows and columns of the matrices whose product gives the machine's rate

Work = Callable[[], object]


def tokenize(graphs: list[ComputationalGraph], identifiers: str, width: int, pool: ThreadPoolExecutor) -> None:
    """Tokens and identifiers of all graphs, in chunks over the pool's threads."""

    def chunk(first: int) -> None:
        tokens = GraphTokens.encode(graphs[first : first + _CHUNK])
        if identifiers == "orf":
            orthogonal_features(tokens.sizes[:, 0], tokens.positions, width)
        else:
            laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, width)

    list(pool.map(chunk, range(0, len(graphs), _CHUNK)))


def score(
    network: GraphTransformer, inputs: RaggedGraphs, pool: ThreadPoolExecutor, dtype: torch.dtype | None = None
) -> np.ndarray:
    """Scores of all graphs, in the passes and threads of the predictor; in another type where one is given."""
    scores = np.empty(len(inputs.tokens))

    def chunk(rows: np.ndarray) -> None:
        scores[rows] = outputs(network, inputs.take(torch.from_numpy(rows)), dtype).cpu().numpy()

    list(pool.map(chunk, passes(inputs)))
    return scores


def passes(inputs: RaggedGraphs) -> list[np.ndarray]:
    """Which graphs the predictor scores at once."""
    model = TartGraph()
    model.to(torch.device(inputs.device))
    return model.chunks(inputs)


def outputs(network: GraphTransformer, batch: GraphInputs, dtype: torch.dtype | None) -> torch.Tensor:
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


def on_all(network: GraphTransformer, batches: list[GraphInputs], dtype: torch.dtype | None) -> None:
    """Scores batches that are on the device."""
    for batch in batches:
        outputs(network, batch, dtype)


def matrix_rate(pool: ThreadPoolExecutor, device: torch.device, dtype: torch.dtype, rounds: int) -> float:
    """Operations per second: of a GPU, or of processor time over all threads at once."""
    if device.type == "cuda":
        matrix = torch.rand(_GPU_MATRIX, _GPU_MATRIX, device=device).to(dtype)
        seconds, _ = timed(lambda: waited(device, lambda: matrix @ matrix), rounds)
        return 2 * _GPU_MATRIX**3 / seconds
    matrices = [torch.rand(_MATRIX, _MATRIX).to(dtype) for _ in range(pool._max_workers)]
    _, seconds = timed(lambda: list(pool.map(lambda m: m @ m, matrices)), rounds)
    return float(2 * _MATRIX**3 / seconds * len(matrices) ** 2)


def waited(device: torch.device, work: Work) -> None:
    """Does the work and waits until a GPU has done it."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Work, rounds: int) -> tuple[float, float]:
    """Medians of the seconds by the clock and of processor time, after a round that does not count."""
    work()
    seconds = []
    for _ in range(rounds):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - clock, time.process_time() - processor))
    return median(s for s, _ in seconds), median(s for _, s in seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which takes minutes")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    torch.set_num_threads(1)  # of an operation
    torch.manual_seed(0)
    graphs = [ComputationalGraph.from_architecture(a) for a in DeepNets1MSpace("val").sample(arguments.graphs, seed=0)]
    settings = GraphEncoderSettings()
    network = GraphTransformer(settings).eval().to(device)
    tokens = GraphTokens.encode(graphs)
    inputs = RaggedGraphs(tokens, settings.identifiers, settings.identifier_width, device=device)
    console = Console(highlight=False)
    with ThreadPoolExecutor(arguments.threads) as pool:
        table = Table(
            title=f"{len(graphs)} graphs of {tokens.sizes[:, 0].mean():.0f} nodes and {tokens.sizes[:, 1].mean():.0f} "
            f"edges, {arguments.threads} threads"
            + (f", {torch.cuda.get_device_name()}" if device.type == "cuda" else "")
        )
        for column in ("", "graphs/s", "by processor time", "goal"):
            table.add_column(column, justify="right" if column else "left")

        def row(name: str, work: Work) -> float:
            """Adds what was measured, and gives graphs per second: on a CPU by processor time."""
            clock, processor = timed(work, arguments.rounds)
            rate: float = len(graphs) / processor * arguments.threads
            table.add_row(
                name, f"{len(graphs) / clock:,.0f}", f"{rate:,.0f}", f"{GOALS[name]:,}" if name in GOALS else ""
            )
            return len(graphs) / clock if device.type == "cuda" else rate

        for name, identifiers in zip(GOALS, ("orf", "lap"), strict=True):
            row(name, partial(tokenize, graphs, identifiers, settings.identifier_width, pool))
        needed = operations(settings, tokens.sizes.sum(axis=1)) / len(graphs)
        rate = matrix_rate(pool, device, torch.float32, 4 * arguments.rounds)
        reached = row("scoring, tokens to scores", lambda: score(network, inputs, pool))
        if device.type == "cuda":
            batches = [inputs.take(torch.from_numpy(rows)) for rows in passes(inputs)]
            for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
                alone = partial(on_all, network, batches, dtype)
                row(f"scoring, encoder alone, {name}", partial(waited, device, alone))
        plain = score(network, inputs, pool)
        moved = []
        for name, other, dtype in variants(network, arguments.compile):
            work = partial(score, other, inputs, pool, dtype)
            times, scores = row(f"scoring, {name}", work) / reached, work()
            moved.append(
                f"{name}: {times:.2f} times as fast; Kendall tau with the plain scores "
                f"{kendalltau(scores, plain).statistic:.4f}, largest difference "
                f"{np.abs(scores - plain).max() / plain.std():.0e} of their standard deviation"
            )
        floor = rate / needed
        console.print(table)
        console.print(
            f"{needed / 1e6:,.0f} million operations a graph; large matrices: {rate / 1e9:,.0f} Gflop/s in float32, "
            f"{matrix_rate(pool, device, torch.bfloat16, 4 * arguments.rounds) / 1e9:,.0f} Gflop/s in bfloat16."
        )
        console.print(f"Floor: {floor:,.0f} graphs/s in float32; scoring reaches {reached / floor:.0%} of it.")
        for line in moved:
            console.print(line)


def variants(network: GraphTransformer, compiled: bool) -> Iterator[tuple[str, GraphTransformer, torch.dtype | None]]:
    """What might make scoring faster."""
    yield "bfloat16", network, torch.bfloat16
    if compiled:
        other = copy.deepcopy(network)
        other.encoder.compile(dynamic=True)
        yield "compiled encoder", other, None


if __name__ == "__main__":
    main()
