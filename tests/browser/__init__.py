"""The real page in a real browser. A package, so that a file here may have the name of one beside it."""
