"""Outcomes -> artefact. Needs scikit-learn, and pyarrow for parquet tables."""

from .training import train

__all__ = ["train"]
