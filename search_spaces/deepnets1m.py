"""The spaces that the splits of DeepNets-1M are drawn from (Knyazev et al., NeurIPS 2021)."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.checks import one_of, whole
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype
from tart_nas.operations import ATTENTION_OPS, CELL_OPS, NONE
from tart_nas.search_spaces.canonical import canonical_genotype
from tart_nas.search_spaces.deepnets1m_sampling import CHOICES, RULES, draw_batch, fits_limit, is_kept
from tart_nas.search_spaces.parameters import Parameters, Suggester, cell_parameters, suggest_cell
from tart_nas.search_spaces.source import checked_member

__all__ = ["PART", "DeepNets1MSpace"]

PART = 100
"""The number of architectures that are drawn from one random stream: workers that generate a split share its parts."""


class DeepNets1MSpace:
    """The networks that a split of DeepNets-1M is drawn from.

    Example:
        >>> space = DeepNets1MSpace("search")
        >>> architectures = space.sample(3, seed=0)
        >>> all(space.contains(architecture) for architecture in architectures)
        True

    Args:
        split: ``train``, ``val``, ``test``, ``search``, ``wide``, ``deep``, ``dense`` or ``bnfree``. The first three
            have the same rules but other random numbers; ``wide`` is ``test``, whose networks it widens.

    Architectures are drawn with 32 channels. Whatever the channels of an architecture, the space contains it when it
    does at 32 channels: widths are no part of the sampling rules.

    Raises:
        SettingError: on another split.
    """

    name = "deepnets1m"

    def __init__(self, split: str = "search") -> None:
        one_of("split", split, RULES)
        self.split = split
        self._rules = RULES[split]

    @property
    def settings(self) -> dict[str, Any]:
        """``DeepNets1MSpace(**settings)`` is this space."""
        return {"split": self.split}

    def __repr__(self) -> str:
        return f"DeepNets1MSpace({self.split!r})"

    def part(self, index: int, seed: int) -> list[Architecture]:
        """Draws the index-th hundred of the endless sequence of architectures that a seed stands for.

        As in DeepNets-1M, a network may occur twice. Parts do not depend on each other.

        Raises:
            SettingError: if the seed is negative.
        """
        whole("seed", seed, 0)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(self._rules.key, index)))
        drawn: list[Architecture] = []
        while len(drawn) < PART:
            drawn += draw_batch(self.split, self._rules, rng)
        return drawn[:PART]

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n architectures, no two of them the same network (up to :meth:`canonical`).

        Args:
            n: how many, at least 0.
            seed: the same seed gives the same architectures, and more of them with a larger n. At least 0.
        """
        whole("n", n, 0)
        sample: list[Architecture] = []
        alike: dict[tuple[Any, ...], list[Architecture]] = {}  # few are, so that canonical forms are seldom needed
        for architecture in self._sequence(seed):
            if len(sample) >= n:
                break
            genotype = architecture.genotype
            key = (architecture.n_cells, *sorted(op for op, _ in genotype.normal + genotype.reduce))
            others = alike.setdefault(key, [])
            form = self.canonical(architecture) if others else architecture
            if all(form != self.canonical(other) for other in others):
                others.append(architecture)
                sample.append(architecture)
        return sample

    def _sequence(self, seed: int) -> Iterator[Architecture]:
        for index in count():
            yield from self.part(index, seed)

    def contains(self, architecture: object) -> bool:
        """Whether the generator of the split could have drawn the architecture, at whatever channels."""
        if not isinstance(architecture, Architecture):
            return False
        a, genotype, rules = architecture, architecture.genotype, self._rules
        n_nodes = len(genotype.normal) // 2
        if len(genotype.reduce) != len(genotype.normal):
            return False
        deep = a.n_cells > max(rules.deep)
        least, most_deep, most = rules.steps
        ops = np.array([[[CELL_OPS.index(op) for op, _ in pairs] for pairs in (genotype.normal, genotype.reduce)]])
        sources = [[source for _, source in pairs] for pairs in (genotype.normal, genotype.reduce)]
        return (
            rules.n_cells[0] <= a.n_cells <= rules.n_cells[1]
            and least <= n_nodes <= (most_deep if deep else most)
            and genotype.normal_concat == genotype.reduce_concat
            and n_nodes + 1 in genotype.normal_concat
            and all(s[i] != s[i + 1] for s in sources for i in range(0, 2 * n_nodes, 2))
            and (NONE not in genotype.ops or n_nodes > 1)
            and bool(is_kept(ops)[0])
            and self._contains_settings(a, n_nodes, deep)
            and fits_limit(a, rules.max_params)
        )

    def _contains_settings(self, a: Architecture, n_nodes: int, deep: bool) -> bool:
        return (
            all(getattr(a, name) in values for name, values in CHOICES.items())
            and a.norm in self._norms(a.n_cells, n_nodes)
            and (a.preproc or self._may_lack_preproc(n_nodes, a.C_mult, a.is_vit))
            and (a.glob_avg or not (a.is_vit or deep))
            and not (a.stem_pool and a.stem_type == 1)
            and (a.fc_layers == 1 or a.fc_dim == 256)
        )

    def _norms(self, n_cells: int, n_nodes: int) -> tuple[str | None, ...]:
        """The normalisations that networks of a size may have."""
        if self.split == "bnfree":
            return (None,)
        is_small = n_cells <= self._rules.n_cells[0] + 1 and n_nodes <= self._rules.steps[1]
        return ("bnorm", None) if self.split != "search" and is_small else ("bnorm",)

    def _may_lack_preproc(self, n_nodes: int, C_mult: int, is_vit: bool) -> bool:
        return n_nodes == C_mult == 1 and (is_vit or self.split == "search")

    def suggest(self, suggester: Suggester) -> Architecture:
        """Makes an architecture with 32 channels of suggested parameters; which there are depends on the first ones.

        Args:
            suggester: an Optuna trial, or what stands in for one.

        Raises:
            ArchitectureError: if the sampling rules reject what the parameters make, as they do with about half of all
                random ones (nearly all in ``dense``).
        """
        least, most_deep, most = self._rules.steps
        n_cells = suggester.suggest_int("n_cells", *self._rules.n_cells)
        deep = n_cells > max(self._rules.deep)
        name = "n_nodes_if_deep" if deep else "n_nodes"
        n_nodes = suggester.suggest_int(name, least, most_deep if deep else most)
        cells = [suggest_cell(suggester, cell, n_nodes, CELL_OPS) for cell in ("normal", "reduce")]
        kept = [k for k in range(2, n_nodes + 1) if suggester.suggest_categorical(f"concat_node{k}", (True, False))]
        concat = (*kept, n_nodes + 1)
        is_vit = any(op in ATTENTION_OPS for pairs in cells for op, _ in pairs)
        free = dict(CHOICES)
        if len(norms := self._norms(n_cells, n_nodes)) == 1:
            free.pop("norm")
        if is_vit or deep:
            free.pop("glob_avg")
        settings: dict[str, Any] = {"norm": norms[0]}
        for name, values in free.items():
            is_free = name != "preproc" or self._may_lack_preproc(n_nodes, settings["C_mult"], is_vit)
            is_free &= name != "stem_pool" or settings["stem_type"] == 0
            if is_free:
                settings[name] = suggester.suggest_categorical(name, values)
        architecture = Architecture(Genotype(cells[0], concat, cells[1], concat), n_cells, **settings)
        if not self.contains(architecture):
            raise ArchitectureError(f"The sampling rules of {self!r} reject the network of these parameters.")
        return architecture

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """The parameters that :meth:`suggest` makes the network from, at 32 channels.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        genotype = checked_member(self, architecture).genotype
        last = len(genotype.normal) // 2 + 1
        known = Parameters(
            {
                **dict.fromkeys(("n_nodes", "n_nodes_if_deep"), last - 1),
                **cell_parameters("normal", genotype.normal),
                **cell_parameters("reduce", genotype.reduce),
                **{f"concat_node{k}": k in genotype.normal_concat for k in range(2, last)},
                **{name: getattr(architecture, name) for name in ("n_cells", *CHOICES)},
            }
        )
        # Which parameters there are depends on their values: they are those that `suggest` asks for.
        self.suggest(known)
        return known.asked

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Changes one operation, one input, whether one node is concatenated, or one setting of the network.

        The number of nodes in a cell stays.

        Args:
            architecture: one of the space.
            rng: source of randomness.

        Returns:
            An architecture of the space that is another network, with as many channels.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        parent = self.canonical(checked_member(self, architecture))
        while True:
            try:
                child = _changed(architecture, rng)
            except ArchitectureError:  # a disconnected network, or one whose channels do not match
                continue
            if self.contains(child) and self.canonical(child) != parent:
                return child

    def canonical(self, architecture: Architecture) -> Architecture:
        """The form that all architectures which are the same network share (see :func:`canonical_genotype`).

        Since nodes change their numbers in it, the space need not contain it.
        """
        return replace(architecture, genotype=canonical_genotype(architecture.genotype))


def _changed(architecture: Architecture, rng: np.random.Generator) -> Architecture:
    """The architecture with one random change, which may be none, or to one outside the space."""
    genotype = architecture.genotype
    change = ("operation", "input", "concat", "setting")[rng.integers(4)]
    if change == "setting":
        name = ("n_cells", *CHOICES)[rng.integers(1 + len(CHOICES))]
        # The number of cells changes by one; what leaves the space is drawn again.
        values = CHOICES.get(name, (architecture.n_cells - 1, architecture.n_cells + 1))
        setting: dict[str, Any] = {name: values[rng.integers(len(values))]}
        return replace(architecture, **setting)
    parts = genotype.to_dict()
    if change == "concat":
        node = int(rng.integers(2, 2 + len(genotype.normal) // 2))
        parts["normal_concat"] = parts["reduce_concat"] = {*genotype.normal_concat} ^ {node}
    else:
        pairs = parts[("normal", "reduce")[rng.integers(2)]]
        k = int(rng.integers(len(pairs)))
        if change == "operation":
            pairs[k][0] = CELL_OPS[rng.integers(len(CELL_OPS))]
        else:
            pairs[k][1] = int(rng.integers(2 + k // 2))
    return replace(architecture, genotype=Genotype(**parts))
