"""Devices, and the signals and error messages of MXNet."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import mxnet as mx
from mxnet import nd

from data.common.errors import UserError

DEFERRED = (signal.SIGINT, signal.SIGTERM)


def find_devices(gpus: str | None) -> list[mx.Context]:
    """All visible GPUs, or the CPU if there are none.

    Args:
        gpus: ids to which `data.common.options.choose_gpus` has restricted this process; None for any.

    Raises:
        UserError: MXNet does not find all of `gpus`, or cannot compute on a GPU.
    """
    count = mx.context.num_gpus()
    if gpus and count < len(gpus.split(",")):
        raise UserError(f"--gpus {gpus}: MXNet finds {count} of them; remove --gpus to use the devices it finds")
    devices = [mx.gpu(number) for number in range(count)]
    for device in devices:
        _require_usable(device)
    return devices or [mx.cpu()]


def _require_usable(device: mx.Context) -> None:
    """Raises a `UserError` if MXNet cannot compute on a GPU, for example one that its build does not support."""
    try:
        (nd.ones(1, ctx=device) + 1).wait_to_read()
    except mx.MXNetError as error:
        raise UserError(
            f"{device}: MXNet cannot compute on this GPU ({reason(error)}); use other GPUs with --gpus, or run on the "
            "CPU with CUDA_VISIBLE_DEVICES="
        ) from None


def names(devices: list[mx.Context]) -> str:
    """The devices, as runs record them."""
    return ", ".join("CPU" if device.device_type == "cpu" else str(device) for device in devices)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defers Ctrl-C and SIGTERM, which batch systems send, to the end of the block.

    An exception while MXNet calls back into Python, as it does for custom operators, would crash the process.
    """
    waiting: list[int] = []
    handlers = {each: signal.signal(each, lambda number, _: waiting.append(number)) for each in DEFERRED}
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def reason(error: Exception) -> str:
    """The message of an error in one line. MXNet prints it below a traceback of its C++ code."""
    text = getattr(error, "strerror", None) or str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    messages = [line for line in lines if line.startswith("MXNetError: ")] or lines
    return messages[0].removeprefix("MXNetError: ")
