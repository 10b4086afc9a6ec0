"""A search space of NNI's classic experiments, in JSON.

Format: https://nni.readthedocs.io/en/stable/hpo/search_space.html
"""

import re
from collections.abc import Mapping
from typing import Any

from numpy.random import Generator

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.sampling import draw_columns
from tart_nas.strategies.nni_plugin.spaces import Sample

require_nni(nas=False)

from nni.algorithms.hpo.random_tuner import suggest  # noqa: E402
from nni.common.hpo_utils import deformat_parameters, format_search_space, validate_search_space  # noqa: E402

__all__ = ["JsonSpace"]


class JsonSpace:
    """Draws many samples of a JSON search space at once.

    Args:
        search_space: what NNI gives a tuner.
        distinct_inputs: whether the two inputs of a cell's node must differ, where the space tells cells.

    Raises:
        NniError: if it is not a search space.
    """

    def __init__(self, search_space: Mapping[str, Any], distinct_inputs: bool) -> None:
        try:
            validate_search_space(search_space, raise_exception=True)
        except (ValueError, IndexError, TypeError) as error:
            raise NniError(f"Not a search space of NNI: {error}.") from None
        # Choices that hold no further choices are drawn as columns, many samples at once; NNI's own code draws the
        # others.
        plain = {label: spec["_value"] for label, spec in search_space.items() if _is_plain_choice(spec)}
        self._columns = {label: (list(values), None) for label, values in plain.items()}
        self._others = format_search_space({k: spec for k, spec in search_space.items() if k not in plain})
        firsts = [label for label in plain if re.fullmatch(r"(normal|reduce)/input_\d+_0", label)]
        pairs = [(label, f"{label[:-1]}1") for label in firsts if distinct_inputs]
        # Where an input has one choice only, the two cannot differ.
        self._distinct = [pair for pair in pairs if all(len(plain.get(label, ())) > 1 for label in pair)]

    def draw(self, n: int, rng: Generator) -> list[Sample]:
        """Draws n samples, each on its own, uniformly over choices."""
        samples = draw_columns(self._columns, self._distinct, n, rng)
        for sample in samples if self._others else ():
            sample |= deformat_parameters(suggest(rng, self._others), self._others)
        return samples


def _is_plain_choice(spec: Mapping[str, Any]) -> bool:
    return spec["_type"] == "choice" and not any(isinstance(value, dict) for value in spec["_value"])
