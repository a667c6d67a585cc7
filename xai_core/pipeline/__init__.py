"""The work itself, over a study folder: predict, explain, train, import. Each with progress and cancelling."""
