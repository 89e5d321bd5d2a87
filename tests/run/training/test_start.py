"""What a training does not load, because it does not use it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

UNUSED = (
    *("aim", "wandb", "tensorboard", "torch.utils.tensorboard", "torchaudio", "transformers", "timm", "pandas"),
    *("torch._inductor.compile_fx", "kornia", "pytest"),
)
TRAIN = f"""
import sys
from usb_negsamp.run.cli.main import main
code = main(sys.argv[1:])
print("LOADED", [name for name in {UNUSED} if name in sys.modules])
sys.exit(code)
"""


def test_a_run_loads_no_tracker_and_no_library_of_other_networks(
    write_config: Callable[..., str], work_dir: Path
) -> None:
    words = ["train", "--c", write_config(num_train_iter=2, num_eval_iter=2, num_log_iter=1, curve=False)]
    ended = subprocess.run([sys.executable, "-c", TRAIN, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "LOADED []"
