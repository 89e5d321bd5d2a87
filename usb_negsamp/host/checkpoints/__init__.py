"""Checkpoints: reading, writing, resuming."""
