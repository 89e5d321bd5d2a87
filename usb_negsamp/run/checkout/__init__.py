"""A clone of the host, patched to run our configurations by its own train.py."""
