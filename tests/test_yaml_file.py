import pytest

from pmrnet.errors import InputError
from pmrnet.yaml_file import Checker, load_yaml


def test_load(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: [1, yes]}\n")
    assert load_yaml(path) == {"a": {"b": [1, True]}}


@pytest.mark.parametrize(
    ("content", "fragment"),
    [(b"a: 1\na: 2\n", "'a' appears twice"), (b"[1", "expected ',' or ']'"), (b"\xff\xfe\xfd", "")],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, content, fragment):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_yaml(path)
    assert fragment in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def check(tmp_path):
    return Checker(tmp_path / "a.yaml")


@pytest.mark.parametrize("value", [None, [], {}, "text", 3])
def test_no_mapping(check, value):
    with pytest.raises(InputError) as error:
        check.mapping(value, "key")
    assert f"at 'key' in {check.path}, found {value!r}" in str(error.value)


@pytest.mark.parametrize("value", [None, {}, "text", ["a", 1], ["a", "a"], ["a", ""], [True], [[]]])
@pytest.mark.parametrize("empty", [False, True])
def test_no_list_of_texts(check, value, empty):
    with pytest.raises(InputError, match="at 'key' in"):
        check.sequence(value, "key", str, "texts", empty=empty)


def test_lists(check):
    assert check.sequence(["b", "a"], "key", str, "texts") == ("b", "a")
    assert check.sequence([], "key", str, "texts", empty=True) == ()
    with pytest.raises(InputError, match="a list of texts that is not empty at 'key'"):
        check.sequence([], "key", str, "texts")


def test_keys(check):
    check.keys(["a"], ["a"], ["a", "b"])
    with pytest.raises(InputError, match=r"at 'c' in .* found the unknown key 'c'"):
        check.keys(["a", "c"], ["a"], ["a", "b"])
    with pytest.raises(InputError, match=r"a value at 'a' in .* found none"):
        check.keys(["b"], ["a"], ["a", "b"])


def test_a_name_like_a_date_that_there_is_not(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("names: [2024-13-45]\n")
    with pytest.raises(InputError, match=r"a\.yaml .* between quotes"):
        load_yaml(path)
