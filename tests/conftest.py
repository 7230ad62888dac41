"""What all tests share."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def signals_as_from_a_terminal():
    """Handles signals as in the foreground: background commands of a shell ignore SIGINT, and nohup SIGHUP."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
