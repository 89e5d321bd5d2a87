"""The README and the generated tables are true where a program can tell."""

import re
from pathlib import Path

from usb_negsamp.run.cli.commands.listing import markdown_tables
from usb_negsamp.run.report.config_tables import config_tables

ROOT = Path(__file__).parents[3]


def test_the_table_of_keys_is_the_one_that_the_program_prints():
    page = (ROOT / "docs" / "keys.md").read_text()
    block = page.split("<!-- keys: written by `usb-negsamp list keys --markdown` -->")[1].split("<!-- /keys -->")[0]
    assert block.strip() == markdown_tables().strip()


def test_every_config_is_named_and_every_one_that_is_named_exists():
    readme = (ROOT / "README.md").read_text()
    for path in (ROOT / "config").glob("*.yaml"):
        assert f"config/{path.name}" in readme, path.name
    for name in re.findall(r"config/[\w/.-]+\.yaml", readme):
        assert (ROOT / name).is_file(), name


def test_the_tables_of_configs_are_those_that_the_program_prints():
    written = (ROOT / "config" / "README.md").read_text()
    assert written.strip() == config_tables().strip(), "usb-negsamp list configs --markdown > config/README.md"
    for path in (ROOT / "config").glob("*/**/*.yaml"):
        assert f"({path.relative_to(ROOT / 'config').as_posix()})" in written, path.name


def test_every_repair_stands_in_the_table_of_repairs():
    from usb_negsamp.host.repairs import ORDER

    table = (ROOT / "docs" / "host_repairs.md").read_text()
    assert all(f"[`{name}`]" in table for name in ORDER)
