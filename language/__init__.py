"""Keras: hierarchical attention networks with word-to-word focused attention (paper, section 4.5)."""

import os

# Hides TensorFlow's start-up messages about the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
