"""Codecs: a vendor's format is both a client's dialect and an upstream's wire."""
