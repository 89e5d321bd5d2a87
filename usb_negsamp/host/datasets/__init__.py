"""The host's data sets and loaders, and ours as the host's."""
