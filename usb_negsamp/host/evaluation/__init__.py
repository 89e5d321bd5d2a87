"""What is evaluated, and by which weights and batch statistics."""
