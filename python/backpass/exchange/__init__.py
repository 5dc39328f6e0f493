"""Models for others: ONNX, C, NumPy.

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

__all__ = ["CHeader", "to_c", "to_numpy", "to_onnx"]
