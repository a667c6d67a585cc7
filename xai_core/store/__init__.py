"""The study folder: samples, runs, predictions and stored maps on disk. See docs/study-folder.md."""
