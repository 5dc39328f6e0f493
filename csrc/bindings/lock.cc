// Letting go of the lock, taking it, and staying where it is not to be had.
#include "lock.h"

#include <unistd.h>

#include <chrono>
#include <thread>

namespace backpass::python {
namespace {

// As they were when the module was made.
pid_t process = 0;
unsigned long main_thread = 0;

}  // namespace

void Guarded::stay() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

py::object call_object(py::handle function, const py::tuple& args) {
  PyObject* result = guarded([&] { return PyObject_Call(function.ptr(), args.ptr(), nullptr); });
  if (result == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

void WithoutLock::note_main_thread() {
  process = getpid();
  main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
}

// Handlers run on the main thread only. After a fork that may be another one.
void WithoutLock::check_signals() {
  if (getpid() == process && PyThread_get_thread_ident() != main_thread) return;
  const WithLock lock;
  if (guarded([] { return PyErr_CheckSignals(); }) != 0) throw py::error_already_set();
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
