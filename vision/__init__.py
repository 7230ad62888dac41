"""Gluon: Faster R-CNN of the Relation Networks kind with focused attention (paper, section 4.3)."""

import os

# To be set before MXNet is loaded. With two workers, products of matrices that are computed at the same time wait for
# each other forever in OpenBLAS, where that has several threads. One is enough for custom operators, which have threads
# of their own, as long as they do not wait for results.
os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", "1")
# Images come in many sizes, and cuDNN would search for its best algorithm at each of them.
os.environ.setdefault("MXNET_CUDNN_AUTOTUNE_DEFAULT", "0")
# Fused pointwise operators would be compiled for the GPU at run time, which could not be tried.
os.environ.setdefault("MXNET_USE_FUSION", "0")
