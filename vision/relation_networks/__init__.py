"""Reads and writes checkpoints of the authors' code of Relation Networks: `python -m vision.relation_networks`."""
