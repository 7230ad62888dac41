"""The networks and layers of the detector."""
