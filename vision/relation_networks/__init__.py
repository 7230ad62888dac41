"""Checkpoints of the authors' code of Relation Networks: `python -m vision.relation_networks`."""
