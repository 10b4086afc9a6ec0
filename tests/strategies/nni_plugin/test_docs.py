"""Every block of docs/nni.md is run: programs and the search here, the commands of ``nnictl`` and the trial in bash in
test_tuner_experiment.py, what needs no NNI in tests/docs.
"""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tart_nas.strategies.nni_plugin import TartTuner

TEXT = (Path(__file__).resolve().parents[3] / "docs/nni.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAMS = re.findall(r"^\*Needs NNI:\*\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PRINTED = [
    r"(predicted 9\d\.\d+, measured 0\.\d+\n){2}",
    r"([\d,]+ parameters\n){2}",
    r"[\d,]+ parameters\n",
    r"\[9\d\.\d+\]\n",
    r"k=8, candidates=200, rounds=4\n",
]


def test_all_kinds_of_blocks_are_known():
    assert [text.split()[0] for kind, text in BLOCKS if kind == "sh"] == ["export", "tart-nas"]
    assert {kind for kind, _ in BLOCKS} == {"python", "sh", "bash", "yaml"}
    assert len(PROGRAMS) == len(PRINTED)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs(number, programs, port, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS[number].replace("8081", str(port)))
    status, output = programs.finish(programs.start(sys.executable, program))
    assert status == 0, output
    assert re.search(f"^{PRINTED[number]}", output, re.MULTILINE), output
    assert "Warning: <class" not in output
    assert programs.processes() == []


def test_the_search(programs, port, tmp_path):
    (command,) = [text for kind, text in BLOCKS if kind == "sh" and text.startswith("tart-nas")]
    arguments = command.replace("8081", str(port)).split()[1:]
    status, output = programs.finish(programs.start(sys.executable, "-m", "tart_nas.cli", *arguments))
    assert status == 0, output
    assert f"http://localhost:{port} shows the trials (NNI's experiment " in output
    assert (tmp_path / "runs/nni/report.html").exists()
    assert (tmp_path / "runs/nni/nni/_latest").is_symlink()
    assert programs.processes() == []


def test_the_configuration_of_a_tuner():
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    tuner = yaml.safe_load(text)["tuner"]
    assert tuner["className"] == f"tart_nas.strategies.nni_plugin.{TartTuner.__name__}"
    assert TartTuner(**tuner["classArgs"]).candidates == 20
