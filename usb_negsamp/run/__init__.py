"""Launching, recording and reporting: what the command line calls. Importing it loads neither torch nor semilearn."""
