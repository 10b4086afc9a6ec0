"""The plugin for NNI experiments by its short name: ``tart_nas.nni.TartTopK``.

It lies in :mod:`tart_nas.strategies.nni_plugin`, whose names are found here at their first use: NNI is an extra. Import
NNI itself by ``import nni``, as ever: this module has its name only inside the package.
"""

from typing import TYPE_CHECKING, Any

from tart_nas.strategies import nni_plugin

if TYPE_CHECKING:
    from tart_nas.strategies.nni_plugin import *  # noqa: F403

__all__ = nni_plugin.__all__


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(nni_plugin, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
