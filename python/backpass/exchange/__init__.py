"""Models for others, and weights from them: ONNX, C, NumPy, PyTorch.

>>> import backpass as bp
>>> from backpass.exchange import to_onnx
>>> model = bp.Sequential(bp.Dense(3), bp.Softmax(), input_shape=4, seed=0)
>>> to_onnx(model).graph.output[0].name
'output_0'
"""

from backpass.exchange._c import CHeader as CHeader
from backpass.exchange._c import to_c as to_c
from backpass.exchange._numpy import to_numpy as to_numpy
from backpass.exchange._onnx import to_onnx as to_onnx
from backpass.exchange._torch import load_torch as load_torch
from backpass.exchange._torch import to_torch as to_torch

__all__ = ["CHeader", "load_torch", "to_c", "to_numpy", "to_onnx", "to_torch"]
