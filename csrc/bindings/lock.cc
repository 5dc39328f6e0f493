// Letting go of the lock, taking it, and staying where it is not to be had.
#include "lock.h"

#include <chrono>
#include <thread>

namespace backpass::python {

void Guarded::stay() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

py::object call_object(py::handle function, const py::tuple& args) {
  PyObject* result = guarded([&] { return PyObject_Call(function.ptr(), args.ptr(), nullptr); });
  if (result == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

[[gnu::noinline]] void WithoutLock::take(PyThreadState* state) {
  Guarded guard;
  PyEval_RestoreThread(state);
  guard.pass();
}

bool WithLock::can_be_had() { return Py_IsInitialized() != 0 || PyGILState_GetThisThreadState() != nullptr; }

WithLock::WithLock() {
  if (!can_be_had()) Guarded::stay();
  state_ = guarded([] { return PyGILState_Ensure(); });
}

// Without the lock, this thread is being ended.
WithLock::~WithLock() {
  if (PyGILState_Check() == 0) Guarded::stay();
  PyGILState_Release(state_);
}

}  // namespace backpass::python
