"""Hedgerow on the device: camera frames in, labels out on a local MQTT feed."""

__version__ = "0.1.0"
