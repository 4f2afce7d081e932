"""Normalisations: what keeps the outputs of layers at one scale.

Each is called with the maps that a layer puts out (of no axes for vectors) and the layer itself, None where the
normalisation stands alone. It gives the module that follows the layer, None where it changed the layer instead.
"""
