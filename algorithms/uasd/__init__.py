from .hook import UASDHook
from .settings import UASDSettings
from .uasd import UASD

__all__ = ["UASD", "UASDHook", "UASDSettings"]
