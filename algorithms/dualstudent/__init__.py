from .dnll import DualStudentDNLLHook, DualStudentDNLLWrapper
from .dualstudent import DualStudent, DualStudentWrapper, add_wrapper
from .hook import DualStudentHook
from .student import Student

__all__ = [
    "DualStudent",
    "DualStudentDNLLHook",
    "DualStudentDNLLWrapper",
    "DualStudentHook",
    "DualStudentWrapper",
    "Student",
    "add_wrapper",
]
