"""Conversations: turns that are kept, what of them a model is given, and answers that can be stopped."""
