"""Videos: which frames, what is asked of them, and what came back. Knows neither threads, pages nor SQL."""
