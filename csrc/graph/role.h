// What kind of work an op is. Every kind of op has its answer in one switch: one that is forgotten does not compile.
#pragma once

#include "graph/op.h"

namespace backpass {

enum class Role : unsigned char {
  leaf,         // has its elements before anything runs
  generator,    // random numbers
  view,         // its elements are those of another, or follow from shapes
  elementwise,  // each element from those at its place
  row,          // elements of a row from those of a row
  row_number,   // a number for each row
  sum,
  product,
  movement,  // elements of others at other places: see Movement
  lookup,    // rows by indices
  host,
};

Role role(const Op& op);
inline bool is_product(const Op& op) { return role(op) == Role::product; }

enum class Movement : unsigned char { none, broadcast, transpose, slice, pad, concat };
Movement movement(const Op& op);

}  // namespace backpass
