"""What a person sees: one file per tab, plus theme and the scripting API."""
