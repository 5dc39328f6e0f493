"""Tools around models: checks of gradients, searches of settings; the command line is here too.

>>> import backpass as bp
>>> model = bp.Sequential(bp.Dense(1), input_shape=2, dtype="float64", seed=0)
>>> bp.tools.gradcheck(model, bp.MSE(), [[1.0, 2.0]], [[0.5]]) < 1e-6
True
"""

from backpass.tools._gradcheck import GradientError, gradcheck, hvp
from backpass.tools._learning_rate import LearningRateRange, find_learning_rate
from backpass.tools._search import SearchResult, search

__all__ = [
    "GradientError",
    "LearningRateRange",
    "SearchResult",
    "find_learning_rate",
    "gradcheck",
    "hvp",
    "search",
]
