"""Scene categorization (Table 5, section 4.4 of the paper): `python -m vision.scene`."""
