"""Readers of image data sets, and the files that store relationship proposals and attention."""
