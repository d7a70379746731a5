"""Transactions, labels and decisions: schemas, validation, mappings, codecs, dead letters."""
