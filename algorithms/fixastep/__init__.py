from .fixastep import FixAStepWrapper
from .hook import FixAStepHook

__all__ = ["FixAStepHook", "FixAStepWrapper"]
