"""`converter train`: labelled pictures -> a Keras CNN, ready for `converter convert`."""
