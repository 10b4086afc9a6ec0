from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared():
    """The folder of data that tests may read: <repository>/../shared/data."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"
