from .iomatch import IOMatch

__all__ = ["IOMatch"]
