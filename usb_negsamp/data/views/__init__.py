"""How images are preprocessed and augmented."""
