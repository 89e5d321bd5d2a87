"""Work that takes long says so, and how far it is; what is quick says nothing."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_negsamp.data import announcing, fit_preprocessing, load_source
from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources import decoding


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="usb_negsamp.data")
    return caplog


def until_said(said: pytest.LogCaptureFixture, number: int) -> None:
    limit = time.monotonic() + 10
    while len(said.messages) < number and time.monotonic() < limit:
        time.sleep(0.01)


def test_what_is_quick_says_nothing(said: pytest.LogCaptureFixture) -> None:
    with announced("counting", 3) as tell:
        tell(1)
    assert said.messages == []


def test_the_first_line_says_how_far_it_is_and_more_follow(
    said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "EVERY", 0.01)
    with announced("counting", 3, first=0.01) as tell:
        until_said(said, 1)
        tell(2)
        until_said(said, 3)
    assert said.messages[0] == "counting: 0 of 3"
    assert said.messages[-1] == "counting: 2 of 3"


def test_nothing_is_said_after_an_error(said: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), announced("failing", first=0.05):
        raise KeyError
    time.sleep(0.1)
    assert said.messages == []


def test_decoding_pictures_and_whitening_them_say_what_they_do(
    tmp_path: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is held up until it has spoken."""
    for number in range(4):
        path = tmp_path / "train" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * number, dtype=np.uint8)).save(path)

    def slow(function, number):
        def wait(*args):
            until_said(said, number)
            return function(*args)

        return wait

    monkeypatch.setattr(decoding, "decode_image", slow(decoding.decode_image, 1))
    source = load_source("image_folder", data_dir=tmp_path, img_size=8)
    monkeypatch.setattr(np.linalg, "eigh", slow(np.linalg.eigh, 2))
    fit_preprocessing("gcn_zca", source)
    assert said.messages == ["decoding pictures: 0 of 4", "eigenvectors of their 192 x 192 covariance (ZCA)"]
