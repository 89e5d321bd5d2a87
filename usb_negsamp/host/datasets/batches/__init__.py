"""Batches whose views are made of all images at once, as one after the other would be, bit for bit."""
