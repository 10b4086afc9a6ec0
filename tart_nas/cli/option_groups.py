"""Options that several commands share: a dataclass, whose fields they are.

typer knows options of one parameter each only, so a command that takes such a group is rewritten.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any

__all__ = ["with_groups"]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer reads it: in the place of a parameter that is a group stand the fields of the group.

    Args:
        command: whose parameters are keywords only; a group is annotated with a dataclass, of which all fields have
            defaults and are annotated as options are.
    """
    declared = signature(command)
    annotations = {name: each.annotation for name, each in declared.parameters.items()}
    groups = {name: each for name, each in annotations.items() if isinstance(each, type) and is_dataclass(each)}
    options: list[Parameter] = []
    for name, parameter in declared.parameters.items():
        if name in groups:
            options += [
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
                for field in fields(groups[name])
            ]
        else:
            options.append(parameter)

    @wraps(command)
    def ungrouped(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    ungrouped.__signature__ = declared.replace(parameters=options)  # type: ignore[attr-defined]
    ungrouped.__annotations__ = {option.name: option.annotation for option in options}  # which typer reads too
    return ungrouped
