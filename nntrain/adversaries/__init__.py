"""Adversaries: pairs of networks, one that makes examples from noise and one that tells them from real ones."""
