"""Tensors of the Open Inference Protocol's datatypes, as stock clients make them."""
import numpy as np
from tritonclient.utils import triton_to_np_dtype


def values(datatype):
    """[2, 3] values with the ends of the type."""
    dtype = triton_to_np_dtype(datatype)
    if datatype == "BYTES":
        return np.array([["", "a", "ü"], ["日本", "x" * 300, "\n\"\\"]],
                        dtype=np.object_)
    if datatype == "BOOL":
        return np.array([[True, False, True], [False, False, True]])
    if datatype == "BF16":
        return np.array([[0, 1, -1], [2.5, -3e38, 1e-30]], dtype=dtype)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return np.array([[info.min, info.max, 0], [1, 2, info.max - 1]], dtype)
    info = np.finfo(dtype)
    return np.array([[info.min, info.max, 0], [info.tiny, -1.5, 0.1]], dtype)
