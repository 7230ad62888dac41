"""What all tests share."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def signals_as_from_a_terminal():
    """Signals do what they do in the foreground: a shell has its background commands ignore Ctrl-C, nohup SIGHUP."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
