"""Architectures from strings and back; no sequence of symbols fails to decode."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tart_nas.architecture import MOST, Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.operations import ATTENTION_HEADS, ATTENTION_OPS
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, canonical_genotype
from tart_nas.strings.drafts import MAX_NODES, Draft, Grammar
from tart_nas.strings.split_rules import grammar_of_split, network_of_split
from tart_nas.symbols import USUAL, pieces, setting_value, spelled

__all__ = ["canonical_string", "decode", "encode"]

_ANY = Grammar()
# Cells of the DARTS space have four nodes, each with two different inputs.
_DARTS = Grammar(max_nodes=4, least_nodes=4, distinct=True, darts_ops=True)


def encode(architecture: Architecture) -> str:
    """The string of an architecture: some 130 characters for DARTS cells. ``str(architecture)`` is the same.

    Args:
        architecture: of which no cell has more than 10 nodes.

    Raises:
        ArchitectureError: if a cell is larger: no string decodes to it.
    """
    genotype = architecture.genotype
    nodes = max(len(genotype.normal), len(genotype.reduce)) // 2
    if nodes > MAX_NODES:
        raise ArchitectureError(f"Strings have cells of at most {MAX_NODES} nodes, but got one of {nodes}.")
    return "".join(spelled(architecture))


def canonical_string(architecture: Architecture) -> str:
    """The string of the canonical form: the same for architectures that are the same network.

    See :func:`tart_nas.search_spaces.canonical_genotype`.

    Raises:
        ArchitectureError: as :func:`encode`.
    """
    return encode(replace(architecture, genotype=canonical_genotype(architecture.genotype)))


def decode(symbols: str | Sequence[str], space: DartsSpace | DeepNets1MSpace | None = None) -> Architecture:
    """The network of any sequence of symbols; ``decode(encode(a)) == a``.

    Args:
        symbols: a sequence of symbols of any length, or a text, which must not be empty.
        space: the space that the network shall be in. It decides what a symbol may mean: the DARTS space fixes the
            settings and reads at most 16 edges; a split of DeepNets-1M changes what its sampling rules reject. By
            default the network is any that :class:`tart_nas.Architecture` accepts.

    Raises:
        ArchitectureError: if something is no symbol, or the text is empty or longer than 10,000 characters.
        SettingError: if the space is another one.
    """
    if isinstance(symbols, str) or not isinstance(symbols, Iterable):  # the latter is an error there
        symbols = pieces(symbols)
    match space:
        case None:
            return _network(Draft.derived(symbols, _ANY))
        case DartsSpace():
            draft = Draft.derived(symbols, _DARTS)
            concat = range(2, 6)
            return space.architecture(Genotype(draft.cells[0], concat, draft.cells[1], concat))
        case DeepNets1MSpace():
            return network_of_split(Draft.derived(symbols, grammar_of_split(space)), space)
    raise SettingError(
        f"`space` must be a DartsSpace or a DeepNets1MSpace, whose rules strings know, but got {space!r}."
    )


def _network(draft: Draft) -> Architecture:
    """The network of a draft, with what an Architecture rejects made legal."""
    # A number above what a network may have means the largest: no string may fail.
    numbers = {name: min(number, MOST.get(name, number)) for name, number in draft.settings.items()}
    settings = USUAL | {name: setting_value(name, number) for name, number in numbers.items()}
    if not settings["preproc"]:  # without it, channels must stay as they are
        if len(draft.concat(0)) == len(draft.concat(1)) == draft.settings.get("C_mult", 1) == 1:
            settings["C_mult"] = 1
        else:
            settings["preproc"] = True
    # Attention needs a channel for each of its heads.
    if settings["C"] < ATTENTION_HEADS and any(op in ATTENTION_OPS for pairs in draft.cells for op, _ in pairs):
        settings["C"] = ATTENTION_HEADS
    return draft.network(settings)
