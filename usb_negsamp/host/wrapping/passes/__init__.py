"""Passes of a network: recorded, averaged over, replayed, and probed for the adversarial direction."""
