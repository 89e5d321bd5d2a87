"""The host's data sets whose samples are texts or sounds: dictionaries of tokens, and waves of any length."""
