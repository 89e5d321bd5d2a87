"""What a user's folder of pictures holds: which files, of which classes, and what is wrong with them."""
