"""Hedgerow on the workstation: a trained Keras CNN in, one measured int8 .tflite file out."""
