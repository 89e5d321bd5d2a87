"""What a training step costs: the bare host, this package, and each of its options, measured in turns."""
