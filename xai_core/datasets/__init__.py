"""Datasets: one file per dataset or layout. Each finds samples on disk and reads their pictures and masks."""

from xai_core.datasets.base import DATASETS, Dataset, DatasetMember, Scan, dataset, dataset_of

__all__ = ["DATASETS", "Dataset", "DatasetMember", "Scan", "dataset", "dataset_of"]
