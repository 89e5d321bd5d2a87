"""Views of a batch made by tensor operations where its images lie, of draws that the host has made."""
