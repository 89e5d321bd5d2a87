"""The README is true where a program can tell."""

from pathlib import Path

from usb_negsamp.run.listing import markdown_tables

ROOT = Path(__file__).parents[2]


def test_the_table_of_keys_is_the_one_that_the_program_prints():
    readme = (ROOT / "README.md").read_text()
    block = readme.split("<!-- keys: written by `usb-negsamp list keys --markdown` -->")[1].split("<!-- /keys -->")[0]
    assert block.strip() == markdown_tables().strip()


def test_every_config_that_is_named_exists_and_the_other_way_round():
    readme = (ROOT / "README.md").read_text()
    for path in (ROOT / "config").glob("*.yaml"):
        assert f"config/{path.name}" in readme, path.name


def test_every_repair_stands_in_the_table_of_repairs():
    from usb_negsamp.host.repairs import ORDER

    table = (ROOT / "docs" / "host_repairs.md").read_text()
    assert all(f"[`{name}`]" in table for name in ORDER)
