"""The library on real folders with real videos. A package, for its files share fixtures of their own."""
