"""The bytes of a .tflite file, read and checked in Python before any interpreter sees them."""
