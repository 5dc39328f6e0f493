// What is trained on: arrays, or a stream of chunks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backpass/types.h"

namespace backpass {

// An array for each input of the network, and a target for each output. A loss of one's own may have more of them, or
// none: (rows, ...), of any shapes; integers become int32, all else the network's type.
struct TrainingData {
  ArrayViews x, y;
  ArrayView sample_weight = {};         // (rows), of all losses; may be empty
  std::vector<std::string> names = {};  // of y under a loss of one's own, "" of what has only its place; else none
};

// Gives the next chunk of rows, as many as it likes, and none when the epoch is over. What the views point to stays
// until the next call.
using Chunks = std::function<std::optional<TrainingData>()>;

// Rows that come in chunks, for data larger than memory. Rows are shuffled among `buffer` chunks and cut into batches
// of exactly batch_size; what is left over goes before the next ones. Chunks are read and prepared by a thread of its
// own, up to `prefetch` portions ahead, so `chunks` and what it returns are called from there, one at a time.
struct Stream {
  std::function<Chunks()> chunks;  // at the begin of every epoch
  Dim buffer = 1;
  Dim prefetch = 2;
};

// One batch as arrays of its own, of the network's type; labels are int32.
struct BatchArrays {
  std::vector<Array> x, y;              // by input, by output
  std::vector<std::string> names = {};  // of y under a loss of one's own; see TrainingData
};

// Augmentation: changes a copy of a batch's rows before its step, their number excepted. What is random in it shall
// follow from (seed, step) alone: then the same seed gives the same bits.
using BatchTransform = std::function<void(BatchArrays& batch, std::uint64_t seed, std::uint64_t step)>;

}  // namespace backpass
