// The interpreter's lock: let go while native code runs, taken where that calls Python.
//
// A thread that asks for the lock when the interpreter is ending is ended itself: before Python 3.14 by pthread_exit,
// which unwinds frames of ours that must not be unwound, without the lock that their clean-up needs. So whatever may
// ask for the lock, any function written in Python and NumPy's own on large arrays, is called through guarded(), whose
// frame the unwinding does not get past: the thread stays there until the process is gone.
#pragma once

#include <backpass/interrupt.h>
#include <pybind11/pybind11.h>

namespace backpass::python {

namespace py = pybind11;

// Leaving it before pass() means that the thread is being ended.
class Guarded {
 public:
  Guarded() = default;
  ~Guarded() {
    if (!passed_) stay();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  void pass() { passed_ = true; }
  [[noreturn]] static void stay();  // for ever

 private:
  bool passed_ = false;
};

// The result of a function of Python's C interface, which throws nothing.
template <class F>
auto guarded(F function) {
  Guarded guard;
  const auto result = function();
  guard.pass();
  return result;
}

// function(*args), from native code: takes the place of pybind11's own call.
py::object call_object(py::handle function, const py::tuple& args);
template <class... Args>
py::object call(py::handle function, Args&&... args) {
  return call_object(function, py::make_tuple(std::forward<Args>(args)...));
}

class WithLock {
 public:
  WithLock();
  ~WithLock();
  WithLock(const WithLock&) = delete;
  WithLock& operator=(const WithLock&) = delete;
  // False on a thread that Python does not know, when there is no interpreter any more.
  static bool can_be_had();

 private:
  PyGILState_STATE state_;
};

// Long calls look for signals meanwhile: what a handler raises ends them.
class WithoutLock {
 public:
  WithoutLock() : interrupt_(&check_signals), state_(PyEval_SaveThread()) {}
  ~WithoutLock() { take(state_); }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;
  static void note_main_thread();  // once
  static void check_signals();     // raises what a handler raises

 private:
  static void take(PyThreadState* state);  // on its own, for destructors end the process where something is unwound

  const Interrupt interrupt_;
  PyThreadState* state_;
};

}  // namespace backpass::python
