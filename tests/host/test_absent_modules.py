"""``import semilearn`` without aim, wandb, torchaudio and timm's old modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from usb_negsamp.host import absent_modules
from usb_negsamp.host.absent_modules import LazyModule, import_or_clean_up

PLAIN = "import semilearn"
REPAIRED = """
import sys
import usb_negsamp.host
from semilearn.core.hooks import aim, wandb
from semilearn.datasets.audio_datasets import datasetbase
from semilearn.nets.vit import vit
left = [name for name in sys.modules if name.split(".")[0] in ("aim", "wandb", "torchaudio")]
assert left == [], left
unused = ("timm", "transformers", "tensorboard", "torch.utils.tensorboard")
assert not [name for name in unused if name in sys.modules]
assert vit.to_2tuple(3) == (3, 3)
assert "timm.models.layers.helpers" not in sys.modules
assert "timm" in sys.modules and "transformers" not in sys.modules
from semilearn.nets.bert import bert
assert callable(bert.BertModel.from_pretrained)  # although torchaudio does not load
for module, key, text in ((aim.aim, "Run", "use_aim: True needs aim.Run, but aim cannot be imported (RuntimeError: "),
                          (wandb.wandb, "init", "use_wandb: True needs wandb.init"),
                          (datasetbase.torchaudio, "sox_effects", "built for another torch")):
    try:
        getattr(module, key)
    except ImportError as error:
        assert text in str(error) and "pip install" in str(error), error
    else:
        raise AssertionError(key)
left = [name for name in sys.modules if name.split(".")[0] in ("aim", "wandb", "torchaudio")]
assert left == [], left
"""


def _python(code: str, home: Path, broken: Path) -> subprocess.CompletedProcess[str]:
    root = Path(absent_modules.__file__).parents[2]
    path = os.pathsep.join([str(broken), *(entry for entry in sys.path if entry), str(root)])
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": path}
    command = [sys.executable, "-W", "error:Importing from timm:FutureWarning", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder whose aim, wandb and torchaudio fail in the middle of their import."""
    failures = {
        "aim": "raise RuntimeError('no storage')",
        "wandb": "raise ImportError('no service')",
        "torchaudio": "raise OSError('built for another torch')",
    }
    for name, failure in failures.items():
        package = tmp_path / "broken" / name
        package.mkdir(parents=True)
        (package / "part.py").write_text("")
        (package / "__init__.py").write_text(f"from {name} import part\n{failure}\n")
    return tmp_path / "broken"


def test_host_cannot_be_imported_without_stand_ins(tmp_path: Path, broken: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = _python(PLAIN, home, broken)
    assert done.returncode != 0
    # Whichever of the packages the host meets first ends the import.
    assert any(text in done.stderr for text in ("no storage", "no service", "built for another torch", "timm.models"))
    assert (home / ".medmnist").exists()


def test_host_is_imported_with_stand_ins_that_name_the_package_when_used(tmp_path: Path, broken: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = _python(REPAIRED, home, broken)
    assert done.returncode == 0, done.stderr
    assert not (home / ".medmnist").exists()


def test_lazy_module_loads_the_package_at_the_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_package.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "slow_package", raising=False)
    lazy = LazyModule("slow_package", "use_slow: True")
    assert lazy.__spec__ is not None
    assert lazy.__spec__.origin == str(tmp_path / "slow_package.py")
    assert not hasattr(lazy, "__wrapped__")
    assert "slow_package" not in sys.modules
    assert lazy.answer == 42
    assert "slow_package" in sys.modules
    with pytest.raises(AttributeError, match="slow_package"):
        _ = lazy.question
    monkeypatch.delitem(sys.modules, "slow_package")


def test_names_from_a_package_load_it_when_they_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_package.py").write_text("class Answer:\n    question = 6\n\ndef times(n):\n    return 7 * n\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for use, value in ((lambda lazy: lazy.times(6), 42), (lambda lazy: lazy.Answer.question, 6)):
        monkeypatch.delitem(sys.modules, "slow_package", raising=False)
        lazy = LazyModule("slow_package", "use_slow: True", by_name=True)
        member = lazy.Answer
        assert not hasattr(member, "__wrapped__")
        assert "slow_package" not in sys.modules
        assert use(lazy) == value
        assert "slow_package" in sys.modules
    monkeypatch.delitem(sys.modules, "slow_package")
    absent = LazyModule("absent_package", "use_absent: True", by_name=True).Run
    with pytest.raises(ImportError, match=r"use_absent: True needs absent_package\.Run"):
        absent()


def test_absent_package_keeps_a_spec_and_names_the_key_that_asked() -> None:
    lazy = LazyModule("absent_package", "use_absent: True")
    assert lazy.__spec__ is not None
    with pytest.raises(ImportError, match=r"use_absent: True needs absent_package.Run.*pip install absent_package"):
        _ = lazy.Run


def test_modules_of_a_failed_import_are_forgotten(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (broken / "aim").rename(broken / "half_loaded")
    (broken / "half_loaded" / "__init__.py").write_text("from half_loaded import part\nraise RuntimeError\n")
    monkeypatch.syspath_prepend(str(broken))
    with pytest.raises(RuntimeError):
        import_or_clean_up("half_loaded")
    assert not [name for name in sys.modules if name.startswith("half_loaded")]


def test_a_package_that_is_loaded_already_is_used_as_it_is() -> None:
    real = sys.modules["pytest"]
    with absent_modules.WINDOWS["semilearn.core.hooks.aim"].func("pytest", "nobody"):  # type: ignore[attr-defined]
        assert sys.modules["pytest"] is real
    assert sys.modules["pytest"] is real


def test_what_stays_on_the_import_path_knows_parts_of_packages_alone() -> None:
    with absent_modules.stand_ins_while_importing():
        inside = [finder for finder in sys.meta_path if isinstance(finder, absent_modules.WindowFinder)]
    after = [finder for finder in sys.meta_path if isinstance(finder, absent_modules.WindowFinder)]
    assert len(inside) == 2
    assert [set(finder.windows) for finder in after] == [{"timm.utils.summary", "transformers.audio_utils"}]
