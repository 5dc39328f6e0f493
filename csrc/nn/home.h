// Homes: the memory in which parameters and states live, whatever networks use them.
#pragma once

#include <atomic>
#include <mutex>

#include "base/aligned.h"
#include "graph/op.h"
#include "nn/in_use.h"

namespace backpass {

// One block of memory. It lives as long as a network, or a layer or tensor whose parameters are there.
struct Home {
  Home(DType type, Dim parameters, Dim values);

  const DType dtype;
  const Dim n_parameters;                 // elements
  const AlignedBuffer values;             // parameters, then states, which begin at a multiple of 64 bytes
  Users users;                            // calls of whatever networks use something of it
  std::atomic<std::uint64_t> changes{0};  // ops with smaller numbers were recorded before the last one
  std::atomic<bool> trained{false};       // whether an optimizer has begun with something of it
  std::atomic<int> networks{0};           // that have something of it

  // Laid out like the parameters; allocated at first use.
  std::byte* gradients() {
    if (!has_gradients() || zero_.load(std::memory_order_relaxed)) make_gradients();
    return gradients_.data();
  }
  void clear_gradients();                   // to zero: where nobody has their address, when somebody looks
  void show_gradients() { shown_ = true; }  // somebody keeps their address, and may look at any time
  // Whether all are zero and nobody looks, so that who asks may write them all without a look. They are his from then
  // on.
  bool take_zero_gradients() { return !shown_ && zero_.exchange(false); }
  bool has_gradients() const { return has_gradients_.load(std::memory_order_acquire); }

 private:
  void make_gradients();

  AlignedBuffer gradients_;
  std::mutex making_gradients_;             // no once_flag: an exception may not cross what C of glibc is in it
  std::atomic<bool> has_gradients_{false};  // asked first: the lock costs more than a small layer
  std::atomic<bool> zero_{false};           // whatever is in memory
  std::atomic<bool> shown_{false};
};

// Of a parameter or state that lives somewhere: its elements, row-major and of its home's dtype, and those of its
// gradient (of a parameter). Null where it has no values yet: a network gives them.
std::byte* home_values(const Op& op);
std::byte* home_gradients(const Op& op);

// A stretch of a network's layout that lies in one home as it does there.
struct Block {
  std::shared_ptr<Home> home;
  Dim begin = 0, end = 0;  // elements of the network's layout
  Dim at = 0;              // where it begins in its home

  std::size_t byte_begin() const { return size(begin); }
  std::size_t bytes() const { return size(end - begin); }
  std::byte* values() const { return home->values.data() + size(at); }
  // Null where it holds states only.
  std::byte* gradients() const { return at < home->n_parameters || at == 0 ? home->gradients() + size(at) : nullptr; }

 private:
  std::size_t size(Dim elements) const { return static_cast<std::size_t>(elements) * size_of(home->dtype); }
};

}  // namespace backpass
