"""Scene categorization (Table 5, paper section 4.4): `python -m vision.scene`."""
