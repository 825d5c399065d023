"""A layer that Keras does not know: `--custom-objects tests.doubling:Doubling`."""

from typing import Any

import keras


class Doubling(keras.layers.Layer):  # type: ignore[misc]
    """Twice its input."""

    def call(self, values: Any) -> Any:
        return values * 2
