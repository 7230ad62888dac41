"""Fixtures for all tests."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def foreground_signals():
    """Restores the default signal handling: shells ignore SIGINT in background commands, and nohup ignores SIGHUP."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
