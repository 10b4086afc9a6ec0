"""``module:function``: what is imported, and what is said where it cannot be."""

import sys

import pytest

from tart_nas.errors import SettingError
from tart_nas.user_code import is_reference, load_object


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with modules of which Python forgets everything afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_of_the_current_folder_is_imported_when_it_is_asked_for(folder):
    (folder / "mine_to_import.py").write_text("class Nets:\n    def build():\n        return 3\n")
    assert "mine_to_import" not in sys.modules
    assert load_object("mine_to_import:Nets.build")() == 3


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no_such_module:build", "there is no module 'no_such_module'"),
        ("os:no_such_name", "os has no 'no_such_name'"),
        ("mine_that_raises:build", "importing mine_that_raises failed: KeyError: 'weights'"),
        ("mine_that_exits:build", "importing mine_that_exits failed: SystemExit: 3"),
        ("mine_that_lacks:build", "importing mine_that_lacks failed: No module named 'not_installed'"),
        ("os", "Expected module:function"),
        ("networks.py:build", "there is no module 'networks'"),
        ("../os:getcwd", "Expected module:function"),
        ("os:", "Expected module:function"),
    ],
)
def test_what_cannot_be_imported_is_said_in_one_line(reference, said, folder):
    (folder / "mine_that_raises.py").write_text("{}['weights']\n")
    (folder / "mine_that_exits.py").write_text("raise SystemExit(3)\n")
    (folder / "mine_that_lacks.py").write_text("import not_installed\n")
    with pytest.raises(SettingError) as error:
        load_object(reference)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_references_are_told_from_names_and_paths():
    texts = ("my_module:build", "a.b:C.d", "resnet18", "folder/net.json", "C:\\nets", ":build")
    assert [is_reference(text) for text in texts] == [True, True, False, False, False, False]
