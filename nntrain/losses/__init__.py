"""Losses: a sum over examples of how wrong an output is."""
