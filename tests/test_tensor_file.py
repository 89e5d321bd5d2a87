"""A file of tensors is read whole or not at all, and nothing in it is run."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_negsamp import ConfigError
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.nets import small_cnn
from usb_negsamp.tensor_file import is_plain, read_tensors


class Payload:
    """What makes a folder as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def write_payload(path: Path, mark: Path) -> str:
    torch.save({"model": small_cnn().state_dict(), "it": 1, "more": Payload(mark)}, path)
    return str(path)


def test_the_payload_runs_where_it_is_let(tmp_path: Path) -> None:
    torch.load(write_payload(tmp_path / "a.pth", tmp_path / "mark"), weights_only=False)
    assert (tmp_path / "mark").is_dir()


@pytest.mark.parametrize(
    "read",
    [read_tensors, read_checkpoint, lambda path: small_cnn(pretrained=True, pretrained_path=path)],
    ids=["file", "checkpoint", "pretrained"],
)
def test_a_payload_does_not_run(read: Callable[[str], Any], tmp_path: Path) -> None:
    path = write_payload(tmp_path / "a.pth", tmp_path / "mark")
    with pytest.raises(ConfigError, match="cannot be read: it is none, or is damaged"):
        read(path)
    assert not (tmp_path / "mark").exists()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of the folder ``tmp_path``, served to this machine."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    with HTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_payload_from_the_net_does_not_run_and_weights_from_there_are_read(address: str, tmp_path: Path) -> None:
    write_payload(tmp_path / "a.pth", tmp_path / "mark")
    torch.save({"weight": torch.ones(2)}, tmp_path / "b.pth")
    with pytest.raises(ConfigError, match=r"expected a checkpoint at http://.*/a\.pth, but it cannot be read"):
        read_tensors(f"{address}/a.pth")
    assert not (tmp_path / "mark").exists()
    assert torch.equal(read_tensors(f"{address}/b.pth")["weight"], torch.ones(2))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tensors(f"{address}/c.pth")


def test_numbers_of_numpy_and_the_format_before_archives_are_read(tmp_path: Path) -> None:
    torch.save({"acc": np.float64(0.5), "it": np.int64(3)}, tmp_path / "numbers.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_tensors(tmp_path / "numbers.pth") == {"acc": 0.5, "it": 3}
    assert torch.equal(read_tensors(tmp_path / "old.pth")["weight"], torch.ones(2))


def test_a_changed_byte_of_a_tensor_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model": {"weight": torch.arange(64.0)}}, path)
    content = bytearray(path.read_bytes())
    place = content.index(torch.tensor([41.0]).numpy().tobytes())
    content[place + 3] ^= 1
    path.write_bytes(bytes(content))
    assert torch.load(path, weights_only=True)["model"]["weight"][41] != 41.0, "PyTorch alone does not look"
    with pytest.raises(ConfigError, match=r"it is none, or is damaged \(BadZipFile\)"):
        read_tensors(path)


@pytest.mark.parametrize("path", ["absent.pth", "."])
def test_what_is_no_file_is_named(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"expected a checkpoint at {path}, but there is no such file"):
        read_tensors(path)


def test_an_archive_of_something_else_is_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "words")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tensors(tmp_path / "notes.zip")


def test_tensors_that_no_network_has_are_not_plain() -> None:
    plain = [torch.zeros(3), torch.zeros((), dtype=torch.int64), torch.zeros(2, 3).t()]
    others = [torch.zeros(3).to_sparse(), torch.zeros(3, dtype=torch.complex64), torch.zeros(3, device="meta"), 3.0]
    others.append(torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8))
    assert all(is_plain(value) for value in plain)
    assert not any(is_plain(value) for value in others)
