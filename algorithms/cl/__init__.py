from .cl import CurriculumLabeling
from .curriculum import Curriculum

__all__ = ["Curriculum", "CurriculumLabeling"]
