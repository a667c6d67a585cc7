"""What a person asks of a study, answered once: read from the store, without torch, for commands and pages alike."""
