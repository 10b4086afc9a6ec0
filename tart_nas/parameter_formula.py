"""The former place of :func:`tart_nas.layout.parameter_count`."""

from tart_nas.deprecation import renamed

__getattr__ = renamed(
    __name__,
    {
        "parameter_formula": "tart_nas.layout.parameter_count",
        "operation_parameters": "tart_nas.layout.operation_parameters",
    },
)
