"""Positions of the fields in TFLite's schema.fbs (version 3), and the operators of a CNN."""

from enum import IntEnum
from typing import NamedTuple


class Model(IntEnum):
    """table Model."""

    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    BUFFERS = 4
    METADATA = 6
    SIGNATURES = 7
    EXTERNAL_GROUPS = 8


class Code(IntEnum):
    """table OperatorCode; the old field holds what fits into a signed byte."""

    OLD_BUILTIN = 0
    CUSTOM = 1
    BUILTIN = 3


class Graph(IntEnum):
    """table SubGraph."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class Tensor(IntEnum):
    """table Tensor."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    VARIABLE = 5
    SPARSITY = 6
    SIGNATURE = 7
    EXTERNAL = 10


class Quantization(IntEnum):
    """table QuantizationParameters."""

    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    DIMENSION = 6


class Operator(IntEnum):
    """table Operator."""

    CODE = 0
    INPUTS = 1
    OUTPUTS = 2
    OPTIONS_TYPE = 3
    OPTIONS = 4
    CUSTOM_OPTIONS = 5
    INTERMEDIATES = 8
    CUSTOM_OFFSET = 9
    CUSTOM_SIZE = 10


class Buffer(IntEnum):
    """table Buffer: the bytes inside, or where in the file they lie."""

    DATA = 0
    OFFSET = 1
    SIZE = 2


BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 17: 4}
"""Tensor types that a CNN needs -> bits an element: float32 and 16, int32, uint8, int64, bool,
int16, int8, int4. No strings, resources or variants: those hold pointers."""

CUSTOM = 32
POSTPROCESS = "TFLite_Detection_PostProcess"
"""The one custom operator that the interpreters bring themselves: SSD's boxes."""
EDGETPU = "edgetpu-custom-op"
"""A graph that edgetpu_compiler has compiled; the edgetpu delegate runs it."""

BUILTINS_BY_INPUTS = {
    (1, 1): """
        1:AVERAGE_POOL_2D 5:DEPTH_TO_SPACE 6:DEQUANTIZE 8:FLOOR 11:L2_NORMALIZATION
        12:L2_POOL_2D 13:LOCAL_RESPONSE_NORMALIZATION 14:LOGISTIC 17:MAX_POOL_2D 19:RELU
        20:RELU_N1_TO_1 21:RELU6 25:SOFTMAX 26:SPACE_TO_DEPTH 28:TANH 43:SQUEEZE 47:EXP
        50:LOG_SOFTMAX 53:CAST 59:NEG 66:SIN 73:LOG 75:SQRT 76:RSQRT 77:SHAPE 87:LOGICAL_NOT
        88:UNPACK 92:SQUARE 93:ZEROS_LIKE 98:LEAKY_RELU 101:ABS 104:CEIL 108:COS 111:ELU
        114:QUANTIZE 116:ROUND 117:HARD_SWISH 150:GELU 152:RELU_0_TO_1 158:SIGN
    """,
    (1, 2): """
        22:RESHAPE
    """,
    (1, 256): """
        2:CONCATENATION 83:PACK 106:ADD_N
    """,
    (2, 2): """
        0:ADD 18:MUL 23:RESIZE_BILINEAR 34:PAD 36:GATHER 39:TRANSPOSE 40:MEAN 41:SUB 42:DIV
        48:TOPK_V2 49:SPLIT 54:PRELU 55:MAXIMUM 56:ARG_MAX 57:MINIMUM 58:LESS 61:GREATER
        62:GREATER_EQUAL 63:LESS_EQUAL 69:TILE 70:EXPAND_DIMS 71:EQUAL 72:NOT_EQUAL 74:SUM
        78:POW 79:ARG_MIN 81:REDUCE_PROD 82:REDUCE_MAX 84:LOGICAL_OR 86:LOGICAL_AND
        89:REDUCE_MIN 90:FLOOR_DIV 91:REDUCE_ANY 94:FILL 95:FLOOR_MOD
        97:RESIZE_NEAREST_NEIGHBOR 99:SQUARED_DIFFERENCE 100:MIRROR_PAD 105:REVERSE_V2
        107:GATHER_ND 126:BATCH_MATMUL 128:CUMSUM 130:BROADCAST_TO 140:REDUCE_ALL
    """,
    (2, 3): """
        3:CONV_2D 4:DEPTHWISE_CONV_2D 9:FULLY_CONNECTED
    """,
    (3, 3): """
        37:BATCH_TO_SPACE_ND 38:SPACE_TO_BATCH_ND 60:PADV2 64:SELECT 65:SLICE 96:RANGE
        102:SPLIT_V 122:SCATTER_ND 123:SELECT_V2
    """,
    (3, 4): """
        67:TRANSPOSE_CONV
    """,
    (4, 5): """
        45:STRIDED_SLICE
    """,
    (5, 5): """
        120:NON_MAX_SUPPRESSION_V4
    """,
    (6, 6): """
        121:NON_MAX_SUPPRESSION_V5
    """,
    (20, 24): """
        16:LSTM 44:UNIDIRECTIONAL_SEQUENCE_LSTM
    """,
}
"""(fewest, most) inputs -> code:name. No control flow, variables, hash tables, strings or
random numbers: a CNN needs none, and they are where a hostile file finds room."""

BUILTINS = {
    int(code): (name, *inputs)
    for inputs, group in BUILTINS_BY_INPUTS.items()
    for code, name in (entry.split(":") for entry in group.split())
}
"""Code -> name, fewest and most inputs."""

INPUTS = {name: (fewest, most) for name, fewest, most in BUILTINS.values()}
"""Name -> fewest and most inputs."""


class Options(NamedTuple):
    """What an operator cannot do without: with another type LiteRT reads strides of 0."""

    type: int
    positive: dict[int, int]
    """Field position -> its default, of the numbers that must be 1 or more."""


OPTIONS = {
    "CONV_2D": Options(1, {1: 0, 2: 0, 4: 1, 5: 1}),
    "DEPTHWISE_CONV_2D": Options(2, {1: 0, 2: 0, 5: 1, 6: 1}),
    "AVERAGE_POOL_2D": Options(5, {1: 0, 2: 0, 3: 0, 4: 0}),
    "MAX_POOL_2D": Options(5, {1: 0, 2: 0, 3: 0, 4: 0}),
    "L2_POOL_2D": Options(5, {1: 0, 2: 0, 3: 0, 4: 0}),
    "FULLY_CONNECTED": Options(8, {}),
    "SOFTMAX": Options(9, {}),
    "CONCATENATION": Options(10, {}),
    "TRANSPOSE_CONV": Options(49, {1: 0, 2: 0}),
}
"""Strides, dilations and filter sizes; the positions are those of the options' own tables."""
