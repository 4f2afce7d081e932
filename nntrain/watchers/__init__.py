"""Watchers: what happens where a metric no longer gets better; each is the trainer's section of its name."""
