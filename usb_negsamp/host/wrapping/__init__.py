"""A loss around any algorithm of the host: the wrapper, the logits it reads, a second network, a stage afterwards."""
