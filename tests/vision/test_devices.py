"""Devices, deferred signals, and error messages of MXNet."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import pytest
from mxnet import nd

from data.common.errors import UserError
from vision import devices
from vision.devices import find_devices, reason, signals_deferred


@pytest.mark.parametrize(
    ("gpus", "count", "found"),
    [
        (None, 0, [mx.cpu()]),
        ("", 0, [mx.cpu()]),
        (None, 2, [mx.gpu(0), mx.gpu(1)]),
        ("3", 1, [mx.gpu(0)]),  # MXNet numbers the visible GPUs from 0
        ("0,2", 2, [mx.gpu(0), mx.gpu(1)]),
    ],
)
def test_all_gpus_are_found_or_the_cpu(monkeypatch, gpus, count, found):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: count)
    monkeypatch.setattr(devices, "_require_usable", lambda device: None)
    assert find_devices(gpus) == found


def test_an_unsupported_gpu_is_rejected(monkeypatch):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 1)  # this build is for CPUs
    with pytest.raises(UserError, match=r"^gpu\(0\): MXNet cannot compute on this GPU \("):
        find_devices(None)


@pytest.mark.parametrize(("gpus", "count"), [("0", 0), ("0,1", 1)])
def test_missing_gpus_are_rejected(monkeypatch, gpus, count):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: count)
    with pytest.raises(UserError, match=f"--gpus {gpus}: MXNet finds {count} of them"):
        find_devices(gpus)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_block(number):
    before = signal.signal(number, signal.default_int_handler)
    steps = []
    try:
        with pytest.raises(KeyboardInterrupt), signals_deferred():
            signal.raise_signal(number)
            steps.append("after it")
        assert steps == ["after it"]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_the_message_of_mxnet_is_found_below_its_traceback(tmp_path):
    (tmp_path / "weights.params").write_text("no weights")
    with pytest.raises(mx.MXNetError) as error:
        nd.load(str(tmp_path / "weights.params"))
    assert reason(error.value).startswith("Check failed: ")


PRODUCTS = """
import vision
from mxnet import nd
matrices = nd.random.normal(shape=(2, 500, 500))
for _ in range(20):
    nd.batch_dot(matrices, matrices), nd.batch_dot(matrices, matrices)
nd.waitall()
"""


def test_simultaneous_matrix_products_do_not_deadlock():
    environment = {name: value for name, value in os.environ.items() if name != "MXNET_CPU_WORKER_NTHREADS"}
    command = [sys.executable, "-c", PRODUCTS]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment | {"OMP_NUM_THREADS": "2"}, timeout=120)
    assert done.returncode == 0
