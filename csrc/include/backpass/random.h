// Random numbers as operations: drawn whenever a graph runs, not only in training.
//
// What is drawn follows from the seed and the step of the run, the operation, and the place of the element, by Philox
// 4x32-10 (Salmon et al. 2011): the same bits for any number of threads. Each call of these functions is an operation
// that draws for itself. Under vmap each element of the map draws its own numbers. Parameters that are tensors are
// differentiated through where what is drawn is a smooth function of them; broadcast_to gives a parameter more
// elements.
#pragma once

#include "backpass/tensor.h"

namespace backpass {

// Between 0 and 1, neither included, in steps of 2^-23 (float32) or 2^-32 (float64). A shape may begin with kBatch.
Tensor random_uniform(Shape shape, DType dtype = DType::float32);
// Of mean 0 and deviation 1.
Tensor random_normal(Shape shape, DType dtype = DType::float32);
// -log(-log(u)) of a uniform u: the standard Gumbel distribution.
Tensor random_gumbel(Shape shape, DType dtype = DType::float32);
// 1 with probability p, else 0, in the shape and type of p. A choice: no gradient flows to p.
Tensor random_bernoulli(const Tensor& p);
// An index along the axis, which it drops, with the probabilities softmax(logits): int32. A choice, too.
Tensor random_categorical(const Tensor& logits, Dim axis = -1);
// The numbers 0 to n - 1 in a random order, as int32 (n). `dtype` is that of the graph.
Tensor random_permutation(Dim n, DType dtype = DType::float32);
// softmax((logits + gumbel) / temperature): nearly one-hot where the temperature is low, and differentiable (Jang et
// al. 2017, Maddison et al. 2017). `hard`: the one-hot vector, with that gradient (straight_through).
Tensor gumbel_softmax(const Tensor& logits, double temperature = 1, bool hard = false, Dim axis = -1);

}  // namespace backpass
