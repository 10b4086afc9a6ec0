import json
import pickle
import random

import pytest

from tart_nas.deepnets1m import meta_file
from tart_nas.deepnets1m.meta_file import MetaFile, split_names
from tart_nas.errors import DeepNetsError

TABLES = {"primitives_ext": {"0": "conv"}, "unique_op_names": {"0": "", "1": "x"}}


@pytest.fixture
def write(tmp_path):
    def write(content, **layout):
        path = tmp_path / "meta.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, **layout))
        return path

    return write


@pytest.mark.parametrize("name", ["eval", "search"])
def test_reads_the_same_as_the_json_parser(generator_files, name):
    path = generator_files / f"deepnets1m_{name}_meta.json"
    content = json.loads(path.read_text())
    assert split_names(path) == list(content)
    for split, expected in content.items():
        meta = MetaFile(path, split)
        assert len(meta) == len(expected["nets"])
        assert list(meta) == expected["nets"]
        for table, entries in expected["meta"].items():
            assert meta.tables[table] == {int(key): value for key, value in entries.items()}


def test_any_json_around_and_within_the_nets(write, monkeypatch):
    rng = random.Random(0)

    def text():
        return "".join(rng.choice('ab\\"{}[],: ') for _ in range(rng.randrange(6)))

    def value(depth=0):
        kind = rng.randrange(5 if depth < 3 else 3)
        if kind < 3:
            return (text(), rng.randrange(9), None)[kind]
        nested = [value(depth + 1) for _ in range(rng.randrange(3))]
        return nested if kind == 3 else {text(): item for item in nested}

    for chunk in (1, 2, 7, 1 << 24):
        monkeypatch.setattr(meta_file, "_CHUNK", chunk)
        for layout in ({}, {"indent": 1}, {"separators": (",", ":")}):
            for _ in range(15):
                nets = [{text(): value() for _ in range(rng.randrange(3))} for _ in range(rng.randrange(4))]
                content = {
                    text() + "x": value(),
                    "val": {text() + "y": value(), "nets": nets, "meta": TABLES, text() + "z": value()},
                    "empty": {"meta": TABLES, "nets": []},
                }
                path = write(content, **layout)
                assert list(MetaFile(path, "val")) == nets
                assert len(MetaFile(path, "empty")) == 0


def test_copies_in_other_processes_read_the_file_themselves(generator_files):
    meta = MetaFile(generator_files / "deepnets1m_eval_meta.json", "val")
    text = pickle.dumps(meta)
    assert len(text) < 10_000
    assert list(pickle.loads(text)) == list(meta)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Cannot read .*meta.json"),
        ('{"val": {"nets": [{}', "is no complete JSON file: it ends with 3 brackets open"),
        ('{"val": {"nets": [{"a": "b]}]}}', "it ends with a string open"),
        ("}{", "closes more brackets than it opens"),
        ('{"val": {"nets": [], "meta": {}},}', "is no JSON file"),
        ("[]", "must hold .*but is no object"),
        ('"val"', "must hold .*but is no object"),
        ('{"test": {"nets": [], "meta": {}}}', "has no split 'val': it holds 'test'"),
        ("{}", "has no split 'val': it holds none"),
        ('{"val": 3}', "val must have a list 'nets' and 'meta'"),
        ('{"val": {"nets": {}, "meta": {}}}', "val must have a list 'nets' and 'meta'"),
        ('{"val": {"nets": []}}', "val must have a list 'nets' and 'meta'"),
        ('{"val": {"nets": [], "meta": {}}}', "val/meta/primitives_ext must map ids to names"),
        ('{"val": {"nets": [{}, 3], "meta": {}}}', "val/nets must hold nothing but"),
        ('{"val": {"nets": [{}; {}], "meta": {}}}', "val/nets must hold nothing but"),
        ('{"val": {"nets": [{},, {}], "meta": {}}}', "val/nets must hold nothing but"),
        ('{"val": {"nets": [{}], "meta": ' + "[" * 5000 + "]" * 5000 + "}}", "is no JSON file|val must have"),
    ],
)
def test_what_is_no_meta_file(write, content, message):
    with pytest.raises(DeepNetsError, match=message) as caught:
        MetaFile(write(content), "val")
    assert "\n" not in str(caught.value)


def test_a_net_that_is_none(write):
    for net, message in (("{1}", "val/1 cannot be read: it is not JSON"), ("[3]", "val/1 must be {...}, but is")):
        text = f'{{"val": {{"nets": [{{}}, {net}], "meta": {json.dumps(TABLES)}}}}}'
        meta = MetaFile(write(text), "val")
        assert meta.net(0) == {}
        with pytest.raises(DeepNetsError, match=message):
            meta.net(1)
