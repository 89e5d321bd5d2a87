"""What the words of a configuration file stand for, and what is said of a file that is none."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ruamel.yaml.resolver import VersionedResolver

from usb_negsamp.errors import ConfigError
from usb_negsamp.yaml_file import read_yaml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


def refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    line = str(caught.value)
    assert line.startswith(str(file))
    assert "\n" not in line
    assert len(line) < 600
    return line.removeprefix(str(file))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-3", 0.003),
        ("1E5", 1e5),
        ("1.0e-3", 0.001),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
        ("e5", "e5"),
        ("010", 10),
        ("+7", 7),
        ("0o17", 15),
        ("0x1f", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:40", "1:40"),
        ("2026-01-02", "2026-01-02"),
        ("yes", True),
        ("No", False),
        ("on", True),
        ("OFF", False),
        ("true", True),
        ("y", "y"),
        ("'yes'", "yes"),
        ("!!str 5", "5"),
        ("~", None),
        ("", None),
        ("null", None),
        ("None", "None"),
        ("=", "="),
    ],
)
def test_a_plain_word_is_a_number_a_truth_value_nothing_or_a_text(text: str, value: object, file: Path) -> None:
    for first_line in ("", "%YAML 1.1\n---\n"):
        file.write_text(f"{first_line}key: {text}\n")
        read = read_yaml(file)["key"]
        assert read == value
        assert type(read) is type(value)


def test_the_host_s_own_words_can_be_asked_for(file: Path) -> None:
    file.write_text("a: yes\nb: 1_000\nc: 3e-3\n")
    assert read_yaml(file, VersionedResolver) == {"a": "yes", "b": 1000, "c": 0.003}


def test_anchors_aliases_and_merged_mappings_are_read(file: Path) -> None:
    file.write_text("\ufeffa: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: {<<: [*x, {p: 5, r: 6}]}\nd: &x 7\ne: *x\n")
    assert read_yaml(file) == {
        "a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}, "c": {"p": 1, "q": 2, "r": 6}, "d": 7, "e": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr: 1\nlr: 2\n", " is no valid YAML: the key 'lr' is given twice (line 2, column 1)"),
        ("a:\n  b: 1\n  b: 2\n", " is no valid YAML: the key 'b' is given twice (line 3, column 3)"),
        ("a: &x {b: 1}\nc: {<<: *x, <<: *x}\n", " is no valid YAML: the key '<<' is given twice (line 2, column 13)"),
        ("a: 1\n\tb: 2\n", " is no valid YAML: found character '\\t' that cannot start any token (line 2, column 1)"),
        ("a: 1\nb: \x07\n", " is no valid YAML: special characters are not allowed (line 2)"),
        ("a: 1\n---\nb: 2\n", "in the stream, but found another document (line 2, column 1)"),
        ("a: !!int abc\n", " is no valid YAML: 'abc' is no int (line 1, column 4)"),
        ("a: !!bool maybe\n", " is no valid YAML: 'maybe' is no bool (line 1, column 4)"),
        ("a: *b\n", " is no valid YAML: found undefined alias 'b' (line 1, column 4)"),
        ("a: &a [*a]\n", " is no valid YAML: a value holds an alias of itself (line 1, column 4)"),
        ("a: " + "[" * 60 + "]" * 60, "depth"),
        ("a: " + "9" * 5000, " is no int (line 1, column 4)"),
        ("{}", " is empty"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(text: str, said: str, file: Path) -> None:
    assert said in refusal(file, text)


LEVELS = list(zip("abcdefghij", "bcdefghijk", strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in LEVELS),
        "a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n" for a, b in LEVELS),
        f"a: &a {'x' * 2000}\nb: [{','.join(['*a'] * 1000)}]\n",
    ],
    ids=["lists", "merged mappings", "one long text"],
)
def test_aliases_that_would_grow_beyond_measure_are_refused_before_they_grow(text: str, file: Path) -> None:
    assert "with its aliases written out it has more than 1,000,000 characters" in refusal(file, text)


def test_no_value_is_quoted_at_length(file: Path) -> None:
    long = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n"
    # Two spellings of one key, which only ruamel.yaml can tell.
    assert "found duplicate key" in refusal(file, f"{long}d: {{1: *b, 0x1: *b}}\n")
