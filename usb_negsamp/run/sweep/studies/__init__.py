"""Studies: methods beside each other on data sets, settings and label splits, as one file says."""
