"""Models: bodies that turn inputs into features; `nntrain.network` puts the head on them that targets need."""
