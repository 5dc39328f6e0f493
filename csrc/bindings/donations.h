// Arrays that the caller gives away for results.
#pragma once

#include "traced.h"

namespace backpass::python {

// Notes which outputs may be written over arguments. What is given back as it came is not written over, nor where a
// model's parameters are read.
void add_donations(Trace& trace);

// For each output the array that the caller has given away for it, if no other argument reads its memory.
std::vector<py::object> donated(const Trace& trace, const Call& call, const std::vector<ArrayView>& views);

}  // namespace backpass::python
