import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["darts"], "`--networks` must say how many"),
        (["{tmp}"], "is an empty folder, where a file of architectures is expected"),
        (["{tmp}", "--split", "val"], "There is no"),
        (["nowhere.json"], "Cannot read nowhere.json: No such file"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(arguments, said, tmp_path, command):
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    status, _, errors = command("measure", *given, "--out", tmp_path / "out", "--device", "cpu")
    assert status == 2
    assert errors.startswith("error: ")
    assert said in errors
    assert errors.count("\n") == 1


def test_a_generated_split(tmp_path, command):
    budget = "--dataset digits --channels 8 --image-size 16 --train-images 40 --epochs 1".split()
    budget += "--validation-images 20 --test-images 20 --networks 1 --quiet".split()
    assert command("data", "generate", "val", "--n", 2, "--out", tmp_path, "--quiet")[0] == 0
    status, out, errors = command("measure", tmp_path, "--split", "val", *budget, "--out", tmp_path / "labels")
    assert (status, errors) == (0, "")
    assert out == f"{tmp_path}/labels/labels.json: 1 of 1 networks measured, 0 failed\n"
