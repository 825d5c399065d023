"""A callable network -> float and int8 flatbuffers. Runs in the child process only."""

from typing import Any

from converter.keras_files import Network
from edge.errors import FatalError


def to_float_tflite(network: Network) -> bytes:
    """A float32 .tflite with batch 1, frozen variables and folded batch normalisation.

    Raises FatalError where TFLite has no operator for something in the network.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec((1, *network.input_shape), tf.float32, name="image")

    def scores(image: Any) -> Any:
        return tf.identity(network.call(image), name="scores")

    function = tf.function(scores, input_signature=[signature], autograph=False)
    # Frozen first: from_concrete_functions leaves a Keras 3 model's variables as variables,
    # and saving it as a SavedModel loses its weights.
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        flatbuffer: bytes = converter.convert()
    except Exception as error:  # noqa: BLE001 - its error types vary between releases
        message = " ".join(str(error).split())
        raise FatalError(f"{network.path}: TFLite cannot express it: {message[:300]}") from None
    return flatbuffer


def to_int8_tflite(ranged: bytes) -> bytes:
    """A float flatbuffer whose tensors carry min and max -> full-integer int8, per channel."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    quantized: bytes = mlir_quantize(
        ranged, fully_quantize=True, input_data_type=tf.int8, output_data_type=tf.int8
    )
    return quantized
