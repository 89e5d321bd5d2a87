from .spl import SPLWrapper
from .stage import Stage

__all__ = ["SPLWrapper", "Stage"]
