"""From prediction files to numbers. Imports neither MXNet nor TensorFlow."""
