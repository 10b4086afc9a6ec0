"""``tart-nas data generate --engine ray``: a real cluster, of which a worker is killed; killed itself, it goes on."""

import pytest

from tart_nas.deepnets1m import generate

pytestmark = pytest.mark.ray

OPTIONS = "data generate val --n 350 --seed 7 --quiet --engine ray --out"


def test_the_files_are_those_of_this_process_though_a_worker_and_the_command_are_killed(programs, tmp_path):
    generate("val", 350, tmp_path / "process", seed=7)
    command = ("-m", "tart_nas.cli", *OPTIONS.split(), tmp_path / "ray")
    process = programs.start(*command)

    def at_work():
        return [other for other in programs.processes() if (other.cmdline() or [""])[0].startswith("ray::part")]

    programs.until(at_work, process)
    at_work()[0].kill()
    programs.until(lambda: list(tmp_path.glob("ray/.deepnets1m_val.parts/*.npz")), process)
    process.kill()
    process.wait()
    assert not (tmp_path / "ray/deepnets1m_eval.hdf5").exists()

    status, output = programs.run(*command)
    assert (status, output) == (0, f"350 networks of val written to {tmp_path}/ray/deepnets1m_eval.hdf5\n")
    for name in ("deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "process" / name).read_bytes()
