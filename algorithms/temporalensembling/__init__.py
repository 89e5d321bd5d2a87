from .hook import TemporalEnsemblingHook
from .settings import TemporalEnsemblingSettings
from .temporalensembling import TemporalEnsembling

__all__ = ["TemporalEnsembling", "TemporalEnsemblingHook", "TemporalEnsemblingSettings"]
