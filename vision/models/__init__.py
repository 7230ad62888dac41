"""The layers and networks of the detector."""
