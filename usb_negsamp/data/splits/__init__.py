"""Which images are labeled, seen, unlabeled and held out."""
