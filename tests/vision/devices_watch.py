"""Records what MXNet does on each device, at its C interface."""

import ctypes
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import mxnet as mx
import pytest
from mxnet.base import _LIB


@dataclass
class Watch:
    """What one thread did in a block.

    Args:
        device: the expected device.
        elsewhere: arrays created on another device, and operators from or to another device.
        copied_in: arrays copied to the device from the CPU, where the loader creates batches.
        reads: reads of arrays by Python, which wait for the device.
        waits: waits for the device without a read.
        operators: number of calls of each operator; a hybridised block is one CachedOp.
    """

    device: mx.Context
    elsewhere: list[str] = field(default_factory=list)
    copied_in: int = 0
    reads: int = 0
    waits: int = 0
    operators: Counter = field(default_factory=Counter)


@contextmanager
def watched(device: mx.Context) -> Iterator[Watch]:
    """Records what this thread does in the block.

    Custom operators run in another thread, where MXNet reports all arrays in CPU memory as on cpu(0). They are watched
    outside of networks instead.
    """
    watch, thread = Watch(device), threading.get_ident()
    mx.nd.waitall()

    def followed(function: Callable, follow: Callable) -> Callable:
        def call(*arguments):
            result = function(*arguments)
            if threading.get_ident() == thread:
                follow(watch, *arguments)
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name, follow in FOLLOWED.items():
            patch.setattr(_LIB, name, followed(getattr(_LIB, name), follow))
        yield watch


def _made(watch, shape, dimensions, device_type, device_id, *rest):
    device = mx.Context(mx.Context.devtype2str[device_type.value], device_id.value)
    if device != watch.device:
        watch.elsewhere.append(f"an array is made on {device}")


def _computed(watch, operator, count, inputs, output_count, outputs, *rest):
    name = _name(operator)
    watch.operators[name] += 1
    sources = {_device(inputs[index]) for index in range(count.value)}
    targets = {_device(outputs._obj[index]) for index in range(output_count._obj.value)}
    if name == "_copyto" and (sources, targets) == ({mx.cpu(0)}, {watch.device}):
        watch.copied_in += 1
    elif sources | targets != {watch.device}:
        watch.elsewhere.append(f"{name} from {sources} to {targets}")


def _computed_block(watch, block, *operands):
    _computed(watch, None, *operands)


def _read(watch, *rest):
    watch.reads += 1


def _waited(watch, *rest):
    watch.waits += 1


def _device(array) -> mx.Context:
    device_type, device_id = ctypes.c_int(), ctypes.c_int()
    _LIB.MXNDArrayGetContext(ctypes.c_void_p(array), ctypes.byref(device_type), ctypes.byref(device_id))
    return mx.Context(mx.Context.devtype2str[device_type.value], device_id.value)


def _name(operator) -> str:
    name = ctypes.c_char_p(b"CachedOp")
    if operator is not None:
        _LIB.MXSymbolGetAtomicSymbolName(operator, ctypes.byref(name))
    return name.value.decode()


FOLLOWED = {
    "MXNDArrayCreateEx": _made,
    "MXNDArrayCreateEx64": _made,
    "MXImperativeInvokeEx": _computed,
    "MXInvokeCachedOpEx": _computed_block,
    "MXNDArraySyncCopyToCPU": _read,
    "MXNDArrayWaitToRead": _waited,
    "MXNDArrayWaitAll": _waited,
}
