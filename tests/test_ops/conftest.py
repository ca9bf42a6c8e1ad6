"""The service over HTTP, as in tests/test_deploy."""

from tests.test_deploy.conftest import clock, log, serve

__all__ = ["clock", "log", "serve"]
