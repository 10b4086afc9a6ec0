"""Networks that other packages and the user's own code define, by the name that was typed. Weights are random."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, first_line
from tart_nas.user_code import is_reference, load_object

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Model", "find_model"]


@dataclass(frozen=True)
class Model:
    """A network that a name stands for.

    Args:
        built: what the user's code made of it, if it has run; else None.
        make: makes the network.
        torchvision_name: torchvision's name of it, None for others.
    """

    built: "Architecture | nn.Module | None" = None
    make: "Callable[[], nn.Module] | None" = None
    torchvision_name: str | None = None

    def module(self) -> "nn.Module":
        """The network; that of the user is made once, since what it does as it is made may be slow or random."""
        made: Any = self.built if self.make is None else self.make()
        return made  # type: ignore[no-any-return]  # an architecture is never asked for it


def find_model(name: str) -> Model | None:
    """Finds a network; None where the name has none of the forms.

    Args:
        name: ``torchvision:resnet18``, or ``resnet18`` alone; ``timm:convnext_atto``; ``module:function``, a function
            without arguments, or a class of modules, or a module or architecture itself.

    Raises:
        ArchitectureError: if there is no such model, timm is not installed, or the user's function raises or returns
            something else.
        SettingError: if the user's module cannot be imported.
    """
    family, separator, model = name.partition(":")
    if not separator:
        return _torchvision_model(name, is_only_a_guess=True)
    if family == "torchvision":
        return _torchvision_model(model)
    if family == "timm":
        return _timm_model(model)
    return _built(name) if is_reference(name) else None


def _torchvision_model(name: str, is_only_a_guess: bool = False) -> Model | None:
    """A classification model of torchvision; None for an unknown name that is only a guess.

    Raises:
        ArchitectureError: if there is none of this name.
    """
    from torchvision import models

    names = models.list_models(models)
    if name not in names:
        if is_only_a_guess:
            return None
        raise ArchitectureError(_unknown(name, "torchvision has no classification model", names))

    def make() -> "nn.Module":
        module: nn.Module = models.get_model(name, weights=None)
        return module

    return Model(make=make, torchvision_name=name)


def _timm_model(name: str) -> Model:
    try:
        import timm
    except ImportError:
        raise ArchitectureError(f"timm:{name} needs timm, which is not installed: run pip install timm.") from None
    # Not what is not listed, such as hf-hub:NAME, which would be downloaded.
    if not timm.is_model(name):
        raise ArchitectureError(_unknown(name, "timm has no model", timm.list_models()))

    def make() -> "nn.Module":
        module: nn.Module = timm.create_model(name, pretrained=False)
        return module

    return Model(make=make)


def _unknown(name: str, sentence: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"{sentence} {name!r}{f'; did you mean {near[0]}?' if near else '.'}"


def _built(reference: str) -> Model:
    """The network of the user's ``module:function``."""
    from torch import nn

    made = load_object(reference)
    if not isinstance(made, nn.Module | Architecture):
        if not callable(made):
            raise ArchitectureError(f"{reference} must be a function or a network, but it is {made!r}.")
        try:
            made = made()
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise ArchitectureError(f"{reference} raised {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(made, nn.Module | Architecture):
        raise ArchitectureError(
            f"{reference} must return a torch.nn.Module or an Architecture, but it returned {type(made).__name__}."
        )
    return Model(built=made)
