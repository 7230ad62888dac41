"""Gluon: Faster R-CNN of the Relation Networks kind with focused attention (paper, section 4.3)."""

import os

# To be set before MXNet is loaded: with a single worker, a custom operator waits for the very thread that runs it.
os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", "2")
# Images come in many sizes, and cuDNN would search for its best algorithm at each of them.
os.environ.setdefault("MXNET_CUDNN_AUTOTUNE_DEFAULT", "0")
