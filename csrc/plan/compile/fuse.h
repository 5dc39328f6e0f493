// Fusion: which ops share a call.
#pragma once

#include "plan/compile/source.h"

namespace backpass {

// Ops that one call computes, in order.
struct Cluster {
  enum class Kind : unsigned char {
    program,
    matmul,
    conv,
    filters,
    windows,
    linalg,
    reduce,
    copy,
    rows,
    axis,
    recurrent,
    update,
    host
  };
  Kind kind = Kind::program;
  std::vector<Tensor> ops;  // of a product, which others follow as its epilogue, it is the first
  Space space;
  bool whole_rows = false;
  Phase phase = Phase::forward;

  bool takes_more() const { return kind == Kind::program || kind == Kind::matmul || kind == Kind::conv; }
};

// A sum of everything, or over axes that a reduction takes, may be multiplied by constants at the end: what its call
// leaves then, and the factor.
struct ScaledSum {
  Tensor result;
  double alpha = 1;
};

struct Fusion {
  std::vector<Cluster> clusters;  // an op's inputs are in its cluster or in earlier ones
  std::unordered_map<const Op*, std::size_t> cluster_of;
  std::unordered_map<const Op*, ScaledSum> scaled_sums;  // by the sum's op
  std::unordered_map<const Op*, Tensor> result_of;       // by the scaled result's op: the sum's result

  // What an op's call leaves: the op itself or, of a sum that is scaled, the scaled sum.
  const Tensor& result(const Tensor& t) const {
    const auto scaled = scaled_sums.find(&t.op());
    return scaled == scaled_sums.end() ? t : scaled->second.result;
  }
  // What cluster `index` reads for t: a view that an earlier cluster has written out is read from there.
  Source seen(const Tensor& t, std::size_t index, Sources& sources) const;
};

std::vector<Tensor> reads(const Tensor& t, Sources& sources);  // its inputs, or what is read in their place
bool is_leaf(const Tensor& t);                                 // lies in memory before the plan runs
bool is_generator(const Tensor& t);                            // random numbers
bool is_total_sum(const Tensor& t);
bool is_row_sum(const Tensor& t);
bool is_row_number(const Tensor& t);    // a number for each row: sums of rows among them
bool has_sums(const Cluster& cluster);  // of everything

// Few rules: an elementwise op joins the call that produces its latest operand where both cover the same space (a
// matmul takes it as its epilogue); a row operation joins a program of the same rows; sums of everything end a call.
// phase_of says in which phase an op runs; where `separate_phases`, forward and backward never share a call.
Fusion fuse(const std::vector<Tensor>& order, const std::vector<Tensor>& outputs, Sources& sources,
            const std::unordered_map<const Op*, Phase>& phase_of, bool separate_phases);

}  // namespace backpass
