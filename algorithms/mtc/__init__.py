from .hook import SoftLabelHook
from .mtc import MultiTaskCurriculum, MultiTaskCurriculumStep, MultiTaskCurriculumWrapper

__all__ = ["MultiTaskCurriculum", "MultiTaskCurriculumStep", "MultiTaskCurriculumWrapper", "SoftLabelHook"]
