"""What a run is asked to do: keys, files, command line and presets, resolved into one checked configuration."""
