from .dnll import DNLL, DNLLWrapper
from .hook import DNLLHook

__all__ = ["DNLL", "DNLLHook", "DNLLWrapper"]
