"""One file per command; each holds a `COMMAND`."""
