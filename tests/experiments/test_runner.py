"""The runner of experiments: what it measures, goes on with, shares between processes and refuses."""

import json

import pytest
from PIL import Image

from tart_nas.errors import SettingError
from tart_nas.experiments.plots import Line, bar_plot, line_plot
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_spread, table

MEASURED: list[tuple[int, int]] = []


def powers(arguments):
    """Powers of numbers, those of 3 only by name."""

    def power_of(number, power):
        MEASURED.append((number, power))
        if arguments.fail == number:
            raise SettingError("It failed.")
        return {"power": float(number**power)}

    def tables(results):
        yield table(("number", "^2", "^3"), [(n, *(r["power"] for r in by.values())) for n, by in results.items()])
        yield table(("nothing",), [])

    jobs = [((str(n), f"^{p}"), lambda n=n, p=p: power_of(n, p)) for n in (1, 2, 3) for p in (2, 3)]
    return Plan(
        {"base": arguments.base}, jobs, tables, lambda results: line_plot({"": {"a": Line([1], [1])}}, {}), ("3",)
    )


@pytest.fixture
def run(tmp_path, capsys):
    MEASURED.clear()

    def call(*arguments):
        options = {"--fail": int, "--base": 0}
        status = experiment(powers, options, ["--out", str(tmp_path / "powers.json"), *map(str, arguments)])
        return status, capsys.readouterr()

    return call


def test_it_goes_on_with_what_is_missing(run, tmp_path):
    status, printed = run("--fail", 2)
    assert (status, printed.err, MEASURED) == (2, "error: It failed.\n", [(1, 2), (1, 3), (2, 2)])
    assert json.loads((tmp_path / "powers.json").read_text())["results"]["1"]["^3"] == {"power": 1.0}
    MEASURED.clear()
    status, printed = run()
    assert (status, MEASURED) == (0, [(2, 2), (2, 3)])
    assert "2  ^3  power 8.0000" in printed.out
    assert "│ 2      │ 4.0 │ 8.0 │" in printed.out
    assert "nothing" not in printed.out
    assert Image.open(tmp_path / "powers.png").width > 500
    assert run("--base", 1)[1].err.startswith("error: The results in ")
    status, shown = run("--base", 1, "--only")
    assert status == 0
    assert "of another setting: " in " ".join(shown.out.split())
    assert "│ 2      │ 4.0 │ 8.0 │" in shown.out


def test_names_choose_what_is_measured(run):
    assert run("--only", "^3", "2")[0] == 0
    assert MEASURED == [(1, 3), (2, 2), (2, 3), (3, 3)]
    MEASURED.clear()
    assert run("--only")[0] == 0
    assert MEASURED == []
    status, printed = run("--only", "4")
    assert (status, printed.err) == (2, "error: There is no '4' to measure: expected some of 1, ^2, ^3, 2, 3.\n")


def test_several_processes_add_to_one_file(tmp_path):
    first, second = (ResultsFile(tmp_path / "results.json", {}) for _ in range(2))
    first.add(("a", "b"), 1, {"cores": 2})
    second.add(("a", "c"), [1, 2])
    assert json.loads((tmp_path / "results.json").read_text())["results"] == {"a": {"b": 1, "c": [1, 2]}}
    assert ("a", "b") in second
    assert ("a", "c") not in first


def test_means_and_spreads():
    assert [mean_and_spread(values, 1) for values in ([], [1.0], [1.0, 3.0])] == ["", "1.0", "2.0 ± 1.4"]


def test_figures_have_a_panel_for_each_title():
    lines = {"a": Line([1, 2], [3, 4], [2, 3], [4, 5]), "goal": Line([1, 2], [5, 5], is_goal=True)}
    axes = line_plot({"left": lines, "right": lines}, {"ylabel": "y"}, [1, 2]).axes
    assert [a.get_title() for a in axes] == ["left", "right"]
    assert [line.get_label() for line in axes[0].lines] == ["a", "goal"]
    assert len(axes[0].collections) == 1  # the band
    axes = bar_plot({"": {"50": {"x": 1.0, "y": float("nan")}, "100": {"x": 2.0, "y": 3.0}}}, "change").axes
    assert len(axes[0].patches) == 4


def test_jobs_measure_all_methods_with_a_seed_before_any_with_the_next():
    jobs = jobs_for(lambda task, method, seed: f"{task} {method} {seed}", ("a", "b"), "xy", range(2), under=("tau",))
    assert [key for key, _ in jobs[:5]] == [
        ("tau", "a", "x", "0"),
        ("tau", "a", "y", "0"),
        ("tau", "b", "x", "0"),
        ("tau", "b", "y", "0"),
        ("tau", "a", "x", "1"),
    ]
    assert [measure() for _, measure in jobs[::7]] == ["a x 0", "b y 1"]
