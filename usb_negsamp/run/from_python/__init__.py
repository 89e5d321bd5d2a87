"""What a script or a notebook trains and opens runs by."""
