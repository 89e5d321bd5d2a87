"""Tables computed from the rows that runs left."""
