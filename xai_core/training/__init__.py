"""Training: the loop, losses and augmentations."""
