"""The DARTS space as NAS-Bench-301 has it: two cells of four nodes, seven operations, about 10^18 architectures.

Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019; Zela et al., "Surrogate NAS Benchmarks", ICLR 2022.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS
from tart_nas.search_spaces.canonical import canonical_genotype
from tart_nas.search_spaces.darts_cells import CONCAT, N_NODES, Cells, draw, draw_different, genotypes
from tart_nas.search_spaces.parameters import Suggester, cell_parameters, suggest_cell
from tart_nas.search_spaces.source import checked_member
from tart_nas.tokens import CellTokens

__all__ = ["DartsSpace"]

_N_OPS = len(NASBENCH301_OPS)
_OP_INDICES = np.array([CELL_OPS.index(op) for op in NASBENCH301_OPS], dtype=np.uint8)


class DartsSpace:
    """Cells of four nodes, each the sum of two of seven operations on two different earlier outputs, all concatenated.

    Example:
        >>> space = DartsSpace()
        >>> architectures = space.sample(3, seed=0)
        >>> all(space.contains(architecture) for architecture in architectures)
        True

    Args:
        n_cells: number of cells of every architecture, at least 1.
        C: channels of the first cells, at least 1.
        **settings: any other setting of :class:`tart_nas.Architecture` but the genotype.

    The defaults are those at which NAS-Bench-301 measured its networks.

    Raises:
        SettingError: on a setting that an Architecture does not have.
        ArchitectureError: on a value outside its range.
    """

    name = "darts"

    def __init__(self, n_cells: int = 8, C: int = 32, **settings: Any) -> None:
        known = [field.name for field in fields(Architecture) if field.name != "genotype"]
        if unknown := sorted(set(settings) - set(known)):
            raise SettingError(f"DartsSpace has no setting {unknown}: expected {known}.")
        genotype = genotypes(draw(1, np.random.default_rng(0)))[0]
        example = Architecture(genotype, n_cells, C, **settings)
        self._settings = {name: getattr(example, name) for name in known}

    @property
    def settings(self) -> dict[str, Any]:
        """The macro settings that all architectures of the space share; ``DartsSpace(**settings)`` is this space."""
        return dict(self._settings)

    def __repr__(self) -> str:
        return f"DartsSpace({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def architecture(self, genotype: Genotype) -> Architecture:
        """The genotype with the space's macro settings."""
        return Architecture(genotype, **self._settings)

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n architectures uniformly, no two of them the same network (up to :meth:`canonical`).

        Args:
            n: how many, at least 0.
            seed: the same seed gives the same architectures.
        """
        return [self.architecture(genotype) for genotype in genotypes(draw_different(n, seed))]

    def sample_tokens(self, n: int, seed: int) -> CellTokens:
        """The same architectures as :meth:`sample` gives, as tokens: a twentieth of the time, a tenth of the memory."""
        cells = draw_different(n, seed)
        example = CellTokens.encode([self.architecture(genotype) for genotype in genotypes(cells[:1])])
        tokens = example.take(np.zeros(n, dtype=np.int64))  # they differ by their inputs and operations alone
        # A network of one cell has no reduction cell, and so no tokens of it.
        source, op = (cells[..., column].reshape(n, 4 * N_NODES)[:, : tokens.op.shape[1]] for column in (0, 1))
        return replace(tokens, source=source.astype(np.uint8), op=_OP_INDICES[op])

    def contains(self, architecture: object) -> bool:
        """Whether the architecture belongs to the space: its macro settings, operations, nodes and concat lists."""
        if not isinstance(architecture, Architecture):
            return False
        genotype = architecture.genotype
        has_cells = all(
            concat == CONCAT
            and all(op in NASBENCH301_OPS for op, _ in cell)
            and all(first[1] != second[1] for first, second in zip(cell[::2], cell[1::2], strict=True))
            for cell, concat in ((genotype.normal, genotype.normal_concat), (genotype.reduce, genotype.reduce_concat))
        )
        # The settings last: with other operations, such as attention, these cells may have no network at them.
        return has_cells and architecture == self.architecture(genotype)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Changes one operation or one input of one node, as in regularized evolution (Real et al., AAAI 2019).

        Args:
            architecture: one of the space.
            rng: source of randomness.

        Returns:
            An architecture of the space that is another network.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        parent = canonical_genotype(checked_member(self, architecture).genotype)
        while True:
            cell = ("normal", "reduce")[rng.integers(2)]
            pairs = list(getattr(architecture.genotype, cell))
            k = int(rng.integers(len(pairs)))
            op, source = pairs[k]
            sibling = pairs[k ^ 1][1]  # of the node's other operation
            if rng.random() < 0.5:
                others = [other for other in NASBENCH301_OPS if other != op]
                pairs[k] = (others[rng.integers(len(others))], source)
            elif inputs := [i for i in range(2 + k // 2) if i not in (source, sibling)]:
                pairs[k] = (op, inputs[rng.integers(len(inputs))])
            child = replace(architecture.genotype, **{cell: tuple(pairs)})
            if canonical_genotype(child) != parent:
                return replace(architecture, genotype=child)

    def mutants(self, parents: Sequence[Architecture], n: int, rng: np.random.Generator) -> list[Architecture]:
        """Draws n mutations of random parents at once, much faster than :meth:`mutate`; a few may be the same networks.

        Args:
            parents: architectures of the space, at least one.
            n: how many, at least 0.
            rng: source of randomness.

        Returns:
            Architectures of the space, each with one operation or one input of its parent changed.

        Raises:
            SettingError: if the space does not contain a parent.
        """
        cells = np.stack([self._cells(parent) for parent in parents])[rng.integers(len(parents), size=n)]
        rows, cell, node, edge = np.arange(n), *rng.integers((2, N_NODES, 2), size=(n, 3)).T
        source, op = cells[rows, cell, node, edge].T
        sibling = cells[rows, cell, node, 1 - edge, 0]
        on_op = (rng.random(n) < 0.5) | (node == 0)  # the first node has no other inputs
        new_op = (op + rng.integers(1, _N_OPS, size=n)) % _N_OPS
        new_source = rng.integers(np.maximum(node, 1), size=n)  # of the node + 2 inputs but the two that it has
        for taken in (np.minimum(source, sibling), np.maximum(source, sibling)):
            new_source += new_source >= taken
        cells[rows, cell, node, edge, 0] = np.where(on_op, source, new_source)
        cells[rows, cell, node, edge, 1] = np.where(on_op, new_op, op)
        return [self.architecture(genotype) for genotype in genotypes(cells)]

    def _cells(self, architecture: Architecture) -> Cells:
        """The cells of an architecture of the space, (2, 4, 2, 2)."""
        genotype = checked_member(self, architecture).genotype
        pairs = (genotype.normal, genotype.reduce)
        numbers = [[(source, NASBENCH301_OPS.index(op)) for op, source in cell] for cell in pairs]
        return np.array(numbers).reshape(2, N_NODES, 2, 2)

    def suggest(self, suggester: Suggester) -> Architecture:
        """Makes an architecture of 22 suggested parameters; independent uniform ones make uniform architectures.

        Args:
            suggester: an Optuna trial, or what stands in for one.
        """
        cells = [suggest_cell(suggester, cell, N_NODES, NASBENCH301_OPS) for cell in ("normal", "reduce")]
        return self.architecture(Genotype(cells[0], CONCAT, cells[1], CONCAT))

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """The parameters that :meth:`suggest` makes the network from, up to the order of a node's two operations.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        genotype = checked_member(self, architecture).genotype
        return cell_parameters("normal", genotype.normal) | cell_parameters("reduce", genotype.reduce)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The form that all architectures which are the same network share (see :func:`canonical_genotype`)."""
        return replace(architecture, genotype=canonical_genotype(architecture.genotype))
