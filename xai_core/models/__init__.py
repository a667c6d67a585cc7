"""Models: architectures (one file each), preprocessing, weights, and the Classifier that explainers see."""
