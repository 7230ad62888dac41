"""Faster R-CNN with focused attention, in Gluon (paper, section 4.3)."""

import os

# Set before MXNet is loaded. With two workers and several threads of OpenBLAS, simultaneous matrix products deadlock.
# One worker is enough for custom operators, which have their own threads and never wait for results.
os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", "1")
# Images have many sizes, and cuDNN would search for the best algorithm for each of them.
os.environ.setdefault("MXNET_CUDNN_AUTOTUNE_DEFAULT", "0")
# Fused pointwise operators are compiled for the GPU at run time, which has not been tested.
os.environ.setdefault("MXNET_USE_FUSION", "0")
