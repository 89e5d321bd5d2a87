from .hook import MixMatchNS3LHook, NS3LHook
from .ns3l import NS3L, NS3LWrapper

__all__ = ["NS3L", "MixMatchNS3LHook", "NS3LHook", "NS3LWrapper"]
