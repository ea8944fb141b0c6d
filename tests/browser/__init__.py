"""Tests that drive the real page in a real browser. A package, so that a file here may be named as one beside it."""
