"""Transformations of Python functions of arrays: derivatives, maps over axes, compiled functions.

>>> import backpass as bp
>>> slope = bp.grad(lambda x: bp.sum(bp.tanh(x)))
>>> slope(bp.constant([0.0, 0.0])).shape
(2,)
"""

from backpass.functions._compile import checkpoint as checkpoint
from backpass.functions._compile import compile as compile
from backpass.functions._compile import custom_gradient as custom_gradient
from backpass.functions._gradients import grad as grad
from backpass.functions._gradients import jvp as jvp
from backpass.functions._gradients import value_and_grad as value_and_grad
from backpass.functions._gradients import vjp as vjp
from backpass.functions._jacobians import hessian as hessian
from backpass.functions._jacobians import jacobian as jacobian
from backpass.functions._vmap import vmap as vmap

__all__ = [
    "checkpoint",
    "compile",
    "custom_gradient",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
    "vmap",
]
