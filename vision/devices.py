"""The devices that a command runs on, and how MXNet gets on with signals and says its errors."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import mxnet as mx
from mxnet import nd

from data.common.errors import UserError

DEFERRED = (signal.SIGINT, signal.SIGTERM)


def find_devices(gpus: str | None) -> list[mx.Context]:
    """All GPUs that may be seen, or the CPU where there are none.

    Args:
        gpus: the ids to which `data.common.options.choose_gpus` has restricted this process; None for any.

    Raises:
        UserError: GPUs were asked for, and MXNet does not see them all; or it cannot compute on one that it sees.
    """
    count = mx.context.num_gpus()
    if gpus and count < len(gpus.split(",")):
        raise UserError(f"--gpus {gpus}: MXNet sees {count} of them here; leave --gpus out to run on what there is")
    devices = [mx.gpu(number) for number in range(count)]
    for device in devices:
        _require_usable(device)
    return devices or [mx.cpu()]


def _require_usable(device: mx.Context) -> None:
    """Raises a `UserError` where MXNet cannot compute on a GPU, as when its build has no code for such a GPU."""
    try:
        (nd.ones(1, ctx=device) + 1).wait_to_read()
    except mx.MXNetError as error:
        raise UserError(
            f"{device}: MXNet cannot compute on this GPU ({reason(error)}); choose others with --gpus, or run on the "
            "CPU with CUDA_VISIBLE_DEVICES="
        ) from None


def names(devices: list[mx.Context]) -> str:
    """What a run says that it was trained on."""
    return ", ".join("CPU" if device.device_type == "cpu" else str(device) for device in devices)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Lets Ctrl-C, and the signal by which batch systems end a job, wait for the end of the block.

    While MXNet calls back into Python, as it does for a custom operator, Python's answer to them would crash it.
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
    """What an error says, in a line. MXNet's own stands under the traceback of its C++ code."""
    text = getattr(error, "strerror", None) or str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    sayings = [line for line in lines if line.startswith("MXNetError: ")] or lines
    return sayings[0].removeprefix("MXNetError: ")
