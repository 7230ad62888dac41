"""Keras: hierarchical attention networks with word-to-word focused attention (paper, section 4.5)."""

import os

# TensorFlow's start-up notes about the processor would stand before every command's first line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
