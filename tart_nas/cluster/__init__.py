"""Work on the machines of a cluster of Ray's; Ray is an extra and is imported when a cluster is entered."""

from tart_nas.cluster.chosen import check_ray_options, chosen_cluster
from tart_nas.cluster.ray_cluster import RayCluster, Task

__all__ = ["RayCluster", "Task", "check_ray_options", "chosen_cluster"]
