"""A Keras CNN and pictures -> where each answer comes from, by its gradients.

Grad-CAM (Selvaraju et al. 2017, Visual explanations from deep networks via gradient-based
localization): the last feature maps, each weighted by how much the label's score grows with it.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import FatalError

Floats = npt.NDArray[np.float32]

LEAST = 1e-7
"""Added to probabilities before the logarithm: Keras's own epsilon."""


def grad_cam(network: Any, inputs: Floats, places: npt.NDArray[np.int64]) -> Floats:
    """(n, height, width) in 0..1 of the input's size: the evidence for label `places[n]`.

    `inputs` are what the network takes, (n, height, width, channels). The gradient is that of the
    label's log-probability, as most files end in a softmax. Raises FatalError where no layer takes
    feature maps to features.
    """
    import tensorflow as tf

    both = _with_maps(network)
    with tf.GradientTape() as tape:
        maps, scores = both(tf.constant(inputs), training=False)
        chosen = tf.gather(scores, places[:, None], batch_dims=1)
        gradients = tape.gradient(tf.math.log(chosen + LEAST), maps)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    cams = np.asarray(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)), np.float32)
    height, width = inputs.shape[1:3]
    sized = np.stack([cv2.resize(cam, (width, height)) for cam in cams])
    most = sized.max(axis=(1, 2), keepdims=True)
    return np.asarray(sized / np.where(most > 0, most, 1), np.float32)


def _with_maps(network: Any) -> Any:
    """The network with its last feature maps as an output before its scores."""
    for layer in reversed(getattr(network, "layers", [])):
        taken, given = getattr(layer, "input", None), getattr(layer, "output", None)
        if _is_map(taken) and not _is_map(given):
            return _model_class(network)(network.inputs, [taken, network.outputs[0]])
    raise FatalError("Grad-CAM needs a layer that pools or flattens feature maps: here is none")


def _is_map(tensor: Any) -> bool:
    """Whether it is (n, rows, columns, channels) with more than one place."""
    shape = tuple(getattr(tensor, "shape", ()))
    return len(shape) == 4 and shape[1:3] != (1, 1)


def _model_class(network: Any) -> Any:
    """tf_keras, which reads old files, has a Model of its own."""
    if type(network).__module__.startswith("tf_keras"):
        import tf_keras

        return tf_keras.Model
    import keras

    return keras.Model
