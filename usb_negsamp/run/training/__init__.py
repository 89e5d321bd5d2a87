"""One run: processes, console, signals, the training itself, and what it says at its end."""
