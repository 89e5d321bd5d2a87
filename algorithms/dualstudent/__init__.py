from .dnll import DualStudentDNLLHook, DualStudentDNLLWrapper
from .dualstudent import DualStudent, DualStudentWrapper, take_in
from .hook import DualStudentHook
from .student import Student

__all__ = [
    "DualStudent",
    "DualStudentDNLLHook",
    "DualStudentDNLLWrapper",
    "DualStudentHook",
    "DualStudentWrapper",
    "Student",
    "take_in",
]
