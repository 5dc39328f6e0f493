"""Models for others: ONNX.

>>> import backpass as bp
>>> from backpass.exchange import to_onnx
>>> model = bp.Sequential(bp.Dense(3), bp.Softmax(), input_shape=4, seed=0)
>>> to_onnx(model).graph.output[0].name
'output_0'
"""

from backpass.exchange._onnx import to_onnx as to_onnx

__all__ = ["to_onnx"]
