"""Layers, encoder, networks and losses, written with `keras.ops` for any Keras backend."""
