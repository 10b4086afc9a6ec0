"""Drafts made networks of a split of DeepNets-1M, whose sampling rules reject many: each rule changes what it rejects.

A network that the rules accept stays as it is. Where they want both cells alike, in their number of nodes and in which
of these are concatenated, the normal cell decides.
"""

from dataclasses import replace
from typing import Any

from tart_nas.architecture import MOST, Architecture
from tart_nas.operations import ATTENTION_HEADS, NONE, OPERATIONS
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.search_spaces.deepnets1m_sampling import CHOICES, RULES, SplitRules, fits_limit
from tart_nas.strings.drafts import Draft, Grammar, Pairs
from tart_nas.symbols import DEFAULTS, setting_value

__all__ = ["grammar_of_split", "network_of_split"]

_LARGE = frozenset(op.name for op in OPERATIONS.values() if op.kind == "conv" and op.kernel >= 5)
_EXCITATIONS = frozenset(op.name for op in OPERATIONS.values() if op.kind == "excitation")
_CONVOLUTIONS = frozenset(op.name for op in OPERATIONS.values() if op.is_convolution)
_ATTENTIONS = frozenset(op.name for op in OPERATIONS.values() if op.kind == "attention")


def grammar_of_split(space: DeepNets1MSpace) -> Grammar:
    """How strings of a split are derived."""
    return Grammar(max_nodes=RULES[space.split].steps[2], distinct=True)


def network_of_split(draft: Draft, space: DeepNets1MSpace) -> Architecture:
    """The network of the split that is nearest to a draft.

    Args:
        draft: derived by :func:`grammar_of_split`; it is changed.
        space: of the split.
    """
    rules = RULES[space.split]
    n_cells = _within(draft.settings.get("n_cells", DEFAULTS["n_cells"]), *rules.n_cells)
    is_deep = n_cells > max(rules.deep)
    least, most_deep, most = rules.steps
    n_nodes = _within(len(draft.cells[0]) // 2, least, most_deep if is_deep else most)
    for pairs in draft.cells:
        # Both cells get as many nodes as the normal one.
        del pairs[2 * n_nodes :]
    draft.fill(n_nodes)
    draft.inner[0].discard(n_nodes + 1)  # the last node is always concatenated
    draft.inner[1].clear()
    draft.inner[1].update(draft.inner[0])
    _make_kept(draft.cells, n_nodes)
    network = draft.network(_settings(draft, space.split, rules, n_cells, n_nodes))
    # What makes a network too large, the cheapest change first; with all of them each network fits.
    for change in ({"glob_avg": True}, {"C_mult": 1}, {"n_cells": rules.n_cells[0]}):
        if fits_limit(network, rules.max_params):
            break
        network = replace(network, **change)
    return network


def _within(number: int, low: int, high: int) -> int:
    return max(low, min(number, high))


def _make_kept(cells: tuple[Pairs, Pairs], n_nodes: int) -> None:
    """Makes the operations such that :func:`tart_nas.search_spaces.deepnets1m_sampling.is_kept` accepts them."""
    for pairs in cells:
        has_large = has_excitation = False
        for place, (op, source) in enumerate(pairs):
            if op in _LARGE:
                if has_large:
                    pairs[place] = ("conv_3x3", source)
                has_large = True
            elif op in _EXCITATIONS:
                if has_excitation:
                    pairs[place] = ("skip_connect", source)
                has_excitation = True
            elif op == NONE and n_nodes == 1:
                pairs[place] = ("skip_connect", source)
    ops = {op for pairs in cells for op, _ in pairs}
    if ops.isdisjoint(_CONVOLUTIONS) and (ops.isdisjoint(_ATTENTIONS) or not ops.isdisjoint(_EXCITATIONS)):
        cells[0][-1] = ("sep_conv_3x3", cells[0][-1][1])


def _settings(draft: Draft, split: str, rules: SplitRules, n_cells: int, n_nodes: int) -> dict[str, Any]:
    """The settings of a draft's network as the rules allow them."""
    numbers = DEFAULTS | draft.settings
    settings = {
        name: min(values, key=lambda value: abs(int(value) - int(numbers[name])))
        for name, values in CHOICES.items()
        if name != "norm"
    }
    is_vit = any(op in _ATTENTIONS for pairs in draft.cells for op, _ in pairs)
    may_lack_norm = n_cells <= rules.n_cells[0] + 1 and n_nodes <= rules.steps[1]
    if split == "bnfree":
        settings["norm"] = None
    else:
        settings["norm"] = setting_value("norm", numbers["norm"]) if may_lack_norm and split != "search" else "bnorm"
    if not (n_nodes == settings["C_mult"] == 1 and (is_vit or split == "search")):
        settings["preproc"] = True
    if is_vit or n_cells > max(rules.deep):
        settings["glob_avg"] = True
    if settings["stem_type"] == 1:
        settings["stem_pool"] = False
    C = min(numbers["C"], MOST["C"])  # the rules do not limit it, and no string may fail
    C = max(C, ATTENTION_HEADS) if is_vit else C
    return {"n_cells": n_cells, "C": C, **settings}
