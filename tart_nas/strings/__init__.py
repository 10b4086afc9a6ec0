"""Architecture strings: a language over symbols in which every string is a network.

The idea is that of SELFIES, in which every string is a molecule (Krenn et al., Machine Learning: Science and
Technology 2020): what a symbol means depends on what stands before it, indices are taken modulo the number of legal
choices, what is missing is filled in, and what is too much is ignored.

Example:
    >>> from tart_nas.published import DARTS
    >>> decode(encode(DARTS)) == DARTS
    True
    >>> print(decode(["[sep3:7]"]))
    [sep3:1][skip:0][reduce][sep3:1][skip:0]
"""

from tart_nas.strings.decoding import canonical_string, decode, encode
from tart_nas.strings.language import Language
from tart_nas.strings.space import StringSpace
from tart_nas.symbols import split

__all__ = ["Language", "StringSpace", "canonical_string", "decode", "encode", "split"]
