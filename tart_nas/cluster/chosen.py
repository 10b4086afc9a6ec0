"""The cluster that the arguments of a function or the options of a command ask for."""

from tart_nas.checks import one_of
from tart_nas.choices import CLUSTER_ENGINES
from tart_nas.cluster.ray_cluster import RayCluster
from tart_nas.errors import SettingError

__all__ = ["check_ray_options", "chosen_cluster"]


def chosen_cluster(
    engine: str, address: str | None, cpus: float = 1.0, gpus: float = 0.0, *, quiet: bool = True
) -> RayCluster | None:
    """The cluster of an engine, not entered yet; None for the engine ``"process"``.

    Args:
        engine: one of :data:`tart_nas.choices.CLUSTER_ENGINES`.
        address: as the others, of :class:`RayCluster`; with another engine all must be the defaults.
        cpus: of each task.
        gpus: of each task.
        quiet: whether what tasks print is hidden.

    Raises:
        SettingError: if an argument is outside its range, or for another engine.
    """
    one_of("engine", engine, CLUSTER_ENGINES)
    check_ray_options(engine, address, cpus, gpus)
    return RayCluster(address, cpus=cpus, gpus=gpus, quiet=quiet) if engine == "ray" else None


def check_ray_options(engine: str, address: str | None, cpus: float, gpus: float) -> None:
    """Makes sure that options of Ray's are given to no other engine.

    Raises:
        SettingError: if one is, by its name.
    """
    defaults = {"ray_address": (address, None), "cpus_per_trial": (cpus, 1), "gpus_per_trial": (gpus, 0)}
    given = [name for name, (value, default) in defaults.items() if value != default]
    if engine != "ray" and given:
        raise SettingError(f"`{given[0]}` is for `engine` 'ray'.")
