from .hook import SelectionHook
from .openmatch import OpenMatch, OpenMatchStep, OpenMatchWrapper

__all__ = ["OpenMatch", "OpenMatchStep", "OpenMatchWrapper", "SelectionHook"]
