"""What our changes of the host expect of it: the sources that they were written for, and what happens elsewhere."""
