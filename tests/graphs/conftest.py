import pytest


@pytest.fixture(scope="session")
def nets(generator_nets):
    """The 300 nets: (split, index, description)."""
    return [(split, index, net) for split, nets in generator_nets.items() for index, net in enumerate(nets)]
