"""Runs of a sweep on a SLURM cluster, through submitit (optional)."""
