"""Records, the data sets that they are read from, and the files that connect training, evaluation and figures.

Imports neither MXNet nor TensorFlow, and nothing from `vision`, `language` or `scripts`.
"""
