// A function of Python's, traced to graphs that are called with arrays.
#pragma once

#include <forward_list>
#include <optional>
#include <string>
#include <unordered_map>

#include "surroundings.h"

namespace backpass::python {

// The shape of nested containers, its leaves in order.
struct Tree {
  enum class Kind : unsigned char { leaf, none, tuple, list, dict, other };
  Kind kind = Kind::leaf;
  std::vector<Tree> children = {};
  std::vector<py::object> keys = {};  // of a dict
  py::object rebuild = {};            // of others: a function of the list of children

  py::object build(const std::vector<py::object>& leaves, std::size_t& next) const;
};

// A traced function for one structure of arguments.
struct Trace {
  Function function;
  std::vector<std::size_t> inputs;  // which leaves of the arguments the graph takes
  Surroundings around;              // its other inputs
  Tree tree;                        // of the results
  // Each leaf of the results: an output of the graph, or a leaf of the arguments, or an object.
  struct Result {
    int output = -1, argument = -1;
    py::object value = {};
  };
  std::vector<Result> results;
  // Outputs that may be written over a leaf of the arguments.
  struct Donation {
    std::size_t output, input;  // of the graph
    std::size_t leaf;
  };
  std::vector<Donation> donations;
  bool random = false;  // it draws
};

// What of the arguments is no array but a setting, and which arrays the caller gives away.
struct CallSettings {
  std::vector<Dim> static_positions;
  py::set static_names;
  std::vector<Dim> donated_positions;
};

// The leaves of a call, and what tells its structure from another one's.
class Call {
 public:
  Call(const py::dict& known, const CallSettings& settings) : known_(known), settings_(settings) {}
  // False where a tensor is among them.
  bool read(const py::tuple& args, const py::dict& kwargs);

  std::string key;
  std::vector<Argument> leaves;
  std::vector<bool> donated;          // by leaf; as long as the last one that is
  bool wide = false, narrow = false;  // whether there are arrays of float64; of other floats

 private:
  void add(py::handle value);
  void add_static(py::handle value);
  void add_sequence(py::handle value);
  void add_dict(const py::dict& dict);
  void add_array(py::handle value);
  void add_number(py::handle value);
  void add_other(py::handle value);
  template <class T>
  void note(T value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  const py::dict& known_;  // objects that are part of a structure, by their value: a number for each
  const CallSettings& settings_;
  std::forward_list<double> numbers_;  // whose places stay
  bool symbolic_ = false;
  int depth_ = 0;  // of containers
};

// What a decorated function holds: its traces by structure, the last few.
class Traced {
 public:
  Traced(CallSettings settings, bool training, std::optional<std::uint64_t> seed)
      : settings_(std::move(settings)), training_(training), seed_(seed) {}
  // `self`: the object in Python that traces, by its methods `symbolic` and `trace`.
  py::object call(const py::object& self, const py::tuple& args, const py::dict& kwargs);
  // The trace of such a call, without running it.
  const Trace& trace_of(const py::object& self, const py::tuple& args, const py::dict& kwargs);
  void clear();
  std::size_t size() const { return traces_.size(); }
  std::uint64_t step = 0;  // of random numbers, where there is a seed: each call draws anew

 private:
  const Trace& find(const py::object& self, const Call& call, const py::tuple& args, const py::dict& kwargs);
  FunctionRun next_run(const Trace& trace);

  std::unordered_map<std::string, std::shared_ptr<const Trace>> traces_;
  py::dict known_;
  CallSettings settings_;
  bool training_;
  std::optional<std::uint64_t> seed_;
};

}  // namespace backpass::python
