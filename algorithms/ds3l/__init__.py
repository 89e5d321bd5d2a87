from .ds3l import DS3L
from .hook import DS3LHook
from .settings import DS3LSettings

__all__ = ["DS3L", "DS3LHook", "DS3LSettings"]
