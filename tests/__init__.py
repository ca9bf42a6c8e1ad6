"""Tests; `tests/test_<package>/` mirrors `src/agv2/<package>/`."""
