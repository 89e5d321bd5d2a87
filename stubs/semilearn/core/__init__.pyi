from typing import Any

from semilearn.core.algorithmbase import AlgorithmBase as AlgorithmBase
from semilearn.core.algorithmbase import ImbAlgorithmBase as ImbAlgorithmBase

def __getattr__(name: str) -> Any: ...
