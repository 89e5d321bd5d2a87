"""Batches whose views are made on the device, of draws that the host has made."""
