"""Coders: the two halves of an autoencoder, from inputs to a code and back."""
