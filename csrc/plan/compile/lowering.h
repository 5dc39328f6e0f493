// Lowering: from clusters of ops to calls over values.
#pragma once

#include <unordered_set>

#include "plan/compile/codegen.h"
#include "plan/compile/recompute.h"
#include "plan/plan.h"

namespace backpass {

struct RecurrentSpec;

class Lowering {
 public:
  Lowering(Plan& plan, const PlanSpec& spec);
  void run();

 private:
  void choose_outputs();
  void check_leaves(const std::vector<Tensor>& order) const;
  Tensor copy_of(const Tensor& t);
  void add_leaves();
  void add_constants();
  void choose_stored();
  void add_values();
  std::string name_of(const Tensor& t, const Place& place) const;
  std::vector<Tensor> reads_of(std::size_t index);
  std::vector<ForwardCall> forward_calls();
  void choose_again();
  void bring_back(std::size_t index);
  void compute_again(int segment);
  void choose_narrow();
  bool may_be_narrow(const Tensor& t);
  void narrow(const Tensor& t);
  void widen(const Tensor& t);
  void lower(std::size_t index);
  template <class T>
  CallPtr lower_as(std::size_t index);
  template <class T>
  CallPtr lower_matmul(std::size_t index);
  template <class T>
  CallPtr lower_conv(std::size_t index);
  template <class T>
  CallPtr lower_filters(const Tensor& t);
  ConvSpec conv_spec(const Tensor& t);
  WindowSpec window_spec(const Tensor& t);
  RecurrentSpec recurrent_spec(const Cluster& cluster);
  template <class T>
  CallPtr lower_recurrent(const Cluster& cluster);
  template <class T>
  int lower_panels(const Cluster& cluster, bool transposed);
  template <class T>
  CallPtr lower_program(std::size_t index);
  template <class T>
  CallPtr lower_linalg(const Tensor& t);
  template <class T>
  CallPtr lower_reduce(const Tensor& t);
  template <class T>
  CallPtr lower_rows(const Tensor& t);
  std::vector<Repeated> repeated(const Tensor& t, std::size_t rank);
  MatmulSpec matmul_spec(const Tensor& t);
  template <class T>
  CallPtr lower_gather(const Tensor& t);
  template <class T>
  CallPtr lower_axis(const Tensor& t);
  AxisSpec axis_spec(const Tensor& t);
  CopySpec copy_spec(const Tensor& t);
  ApplySpec apply_spec(const Cluster& cluster);
  HostSpec host_spec(const Tensor& t);
  void add_assigns();
  void add_update();
  bool watches_gradients() const;
  bool updates_few() const;
  bool watch_where_made(int value);
  void add_watch();
  void add_watched(WatchSpec& spec, const Segment& segment);
  std::vector<Stretch> stretches(std::size_t width);
  void choose_copied();
  template <class T>
  void add_update(const kernels::Kernels<T>& k);
  void set_stages();
  void place_values();
  struct LaneUse {
    std::vector<bool> inner;    // by value: only calls of its own stage touch it, each lane its own rows
    std::vector<int> last_use;  // the call
  };
  LaneUse lane_use() const;
  std::vector<int> share_within_lanes() const;

  template <class T>
  void add_descent(const kernels::Kernels<T>& k, const Descent& descent);
  template <class T>
  void add_rows_update(const kernels::Kernels<T>& k, const RowsUpdate& table);
  int add_value(std::size_t bytes, std::string name, int slot = kArena, std::size_t offset = 0);
  int value_of(const Tensor& t);  // of what the tensor resolves to
  int product_value(const Cluster& cluster);
  bool shared_with_leaf(const Tensor& t);
  void read_and_write(Call& call, const Program& program);
  std::size_t bytes_of(const Tensor& t) const;

  Plan& plan_;
  const PlanSpec& spec_;
  std::vector<Tensor> outputs_;
  std::unordered_map<const Op*, Phase> phases_;
  Sources sources_;
  Fusion fusion_;
  ValueOf values_;
  std::unordered_map<const Op*, bool> stored_;
  std::unordered_set<const Op*> results_;         // what outputs resolve to
  std::vector<int> segments_;                     // by cluster of the forward pass; empty where nothing is made again
  std::unordered_map<const Op*, int> gone_;       // values that are made again with a segment, until they are
  std::unordered_map<const Op*, int> narrow_;     // values that are kept narrow, until they are widened: in which
  std::unordered_map<const Op*, Place> targets_;  // of outputs with a place of their own
  bool assigned_ = false, watching_ = false;
  std::unordered_set<int> watched_;  // gradients that their own calls look at
  Lanes lanes_;
};

}  // namespace backpass
