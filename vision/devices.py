"""The devices that a command runs on."""

import mxnet as mx

from data.errors import UserError


def find_devices(gpus: str | None) -> list[mx.Context]:
    """All GPUs that may be seen, or the CPU where there are none.

    Args:
        gpus: the ids that were asked for, to which `data.options.choose_gpus` has confined this process; None for any.

    Raises:
        UserError: GPUs were asked for, and MXNet sees none.
    """
    count = mx.context.num_gpus()
    if count:
        return [mx.gpu(number) for number in range(count)]
    if gpus:
        raise UserError(f"--gpus {gpus}: MXNet sees no such GPU here; leave --gpus out to run on the CPU")
    return [mx.cpu()]
