// Attention: what of a sequence to look at.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// What queries may look at, and how; an empty tensor says nothing. Causal: query i looks at keys up to i, of which
// there are as many. `lengths` int32 (batch): of keys, so many count. `keep` broadcasts to (..., queries, keys): keys
// count where it is not 0; real or int32. `bias` broadcasts likewise, and is added to the scores; -inf takes a key out.
// `scale` 0: 1 / sqrt(features). Weights are dropped with probability `dropout` in training.
struct Attention {
  bool causal = false;
  Tensor lengths = {}, keep = {}, bias = {};
  double scale = 0;
  double dropout = 0;
};

// softmax(q kᵀ scale + bias) v (Vaswani et al. 2017, equation 1): q (..., queries, features), k (..., keys, features),
// v (..., keys, values) give (..., queries, values); leading dimensions broadcast. A query that may look at no key
// gives zeros, and no gradient.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Attention& settings = {});

// x (..., time, features) with each pair of features (i, i + features / 2) turned by an angle of
// time * base^(-2 i / features), so that products of two rows depend on how far apart they are (Su et al. 2021,
// "RoFormer"; the order of pairs is that of GPT-NeoX). An even number of features. The first row is at time `offset`.
Tensor rotary(const Tensor& x, double base = 10000, Dim offset = 0);

// (time, features): sines and cosines of time * 10000^(-2 i / features) side by side (Vaswani et al. 2017,
// section 3.5).
Tensor sinusoidal_positions(Dim time, Dim features, DType dtype = DType::float32);

}  // namespace backpass
