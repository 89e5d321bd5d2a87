"""Commands on finished runs: evaluate them again, draw them."""
