"""The `xai` command: one file per command in `commands`."""
