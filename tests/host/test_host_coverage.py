"""The page that says what of the host works: every data set and network, each with a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import usb_negsamp
from usb_negsamp.host.arguments import net_names
from usb_negsamp.host.datasets.registry import known_names
from usb_negsamp.run.configuration.choices import own_datasets

usb_negsamp.register()
PAGE = Path(__file__).parents[2] / "docs" / "host_coverage.md"
FAMILIES = {"timm:NAME", "torchvision:NAME"}
STATUSES = ("works, tested", "works, not tested here", "refused, because")
TEST = re.compile(r"\[`(?P<test>test_\w+)`\]\((?P<file>[^)]+)\)")


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of each row of the table under a heading of the page, by the name in its first one."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, flags=re.MULTILINE)
    assert len({name for name, _ in found}) == len(found)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in found}


def test_the_tables_name_what_the_installed_host_knows_and_no_more() -> None:
    assert set(rows("Data sets")) == set(known_names()) - set(own_datasets())
    assert set(rows("Networks")) == set(net_names()) | FAMILIES


@pytest.mark.parametrize("heading", ["Data sets", "Networks"])
def test_what_is_said_to_be_tested_names_a_test_that_exists(heading: str) -> None:
    for name, (_, status, by) in rows(heading).items():
        assert status.startswith(STATUSES), name
        named = TEST.fullmatch(by)
        assert (named is not None) == (status == "works, tested"), name
        if named is not None:
            assert f"\ndef {named['test']}(" in (PAGE.parent / named["file"]).read_text(encoding="utf-8"), name
