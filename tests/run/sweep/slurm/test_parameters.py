"""What ``--slurm`` says: in one line what cannot be, before anything is resolved or submitted."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.sweep.slurm.parameters import read_parameters


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"partition": "gpu"}, "--slurm needs time=MINUTES"),
        ({"time": "soon"}, "time: expected minutes"),
        ({"time": "5", "gpus_per_node": "a100:1"}, "gpus_per_node: expected a number, but got 'a100:1'"),
        ({"time": "1"}, "time: expected more than the 90 seconds before the limit at which a run is told to save"),
        ({"time": "5", "signal_delay_s": "300"}, "expected more than the 300 seconds before .* but got 5 minutes"),
        ({"time": "5", "signal_delay_s": "soon"}, "signal_delay_s: expected a whole number of seconds, but got 'soon'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said(given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_parameters(given)


def test_a_minute_is_enough_for_who_saves_in_less() -> None:
    assert read_parameters({"time": "1", "signal_delay_s": "20"})["timeout_min"] == 1


def test_without_submitit_there_is_a_line(
    write_config: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert main(["sweep", "--c", write_config(), "--seeds", "1", "--slurm", "partition=gpu,time=60"]) == 2
    assert "--slurm needs submitit: pip install usb-negsamp[slurm]" in capsys.readouterr().err
