"""Formulas of methods that tell images of seen classes from those of unseen ones."""
