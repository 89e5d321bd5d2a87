"""Processes that begin with everything imported: forks of one process that has imported it once.

Importing PyTorch and the host takes some seconds of CPU, which a sweep of short runs would pay for each of its runs.
A fork server is a program of its own (``python -m usb_negsamp.run.forks.program``) that imports what a run needs, and
forks a child for each request that comes in at its standard input. A child goes on as a program of its own would: in a
session of its own, with the environment, directory and output that it is given, and it leaves as programs do.

On Linux without a GPU alone: a child of a process that has spoken with CUDA cannot use it.
"""
