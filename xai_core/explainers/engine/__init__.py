"""The torch side of the explainers: imported inside functions only, and not searched for members."""
