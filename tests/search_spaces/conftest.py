import json

import pytest

from tart_nas.architecture import Genotype


@pytest.fixture(scope="session")
def labelled_genotypes(shared):
    entries = json.loads((shared / "nasbench301/darts_train.json").read_text())
    return [Genotype.from_dict(entry) for entry in entries]
