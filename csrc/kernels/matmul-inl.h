// Matrix product, after Goto and BLIS: loops over blocks around a small register kernel; compiled per instruction set.
//
// The inner dimension is cut in passes of at most kc. Within a pass, B is walked in panels of nr columns, which stay in
// L1 (copied, or read where they lie), and every panel meets all rows of A, mr at a time:
//
//   packed A, rows i .. i + mr: a[p * mr + i]   packed B, columns j .. j + nr: b[p * width + j]
//
// where width is nr, or fewer whole vectors in the last panel, filled up with zeros.
#pragma once

#include "kernels/dot-inl.h"
#include "kernels/pack_rows-inl.h"
#include "kernels/register_tile-inl.h"

namespace backpass::kernels {
namespace {

// How k is cut: in whole vectors, `depth` elements at most.
template <class T>
struct Passes : Parts {
  static constexpr Size kLanes = Vec<T>::kLanes;
  Size end;
  Passes(Size k, Size depth) : Parts((k + kLanes - 1) / kLanes, depth / kLanes), end(k) {}
  Size begin(Size pass) const { return Parts::begin(pass) * kLanes; }
  Size operator[](Size pass) const {
    const Size whole = Parts::operator[](pass) * kLanes, rest = end - begin(pass);
    return whole < rest ? whole : rest;
  }
};

// The operands of the next block, fetched bit by bit with every step of k of the tiles of this one; or none.
template <class T, bool follows>
struct Ahead {
  using End = TileEnd<T>;
  Ahead(const MatmulBlock<T>&, Size) {}
  explicit operator bool() const noexcept { return false; }
  void next(End&, Size) noexcept {}
};

template <class T>
class Ahead<T, true> {
 public:
  using End = FetchingEnd<T>;

  // Whose tiles have `rows` at most; those of whole panels fetch.
  Ahead(const MatmulBlock<T>& x, Size rows) {
    const Size panels = x.n / (Blocks<T>::kVectors * Vec<T>::kLanes), size = sizeof(T);
    if (panels == 0) return;
    const Size steps = panels * ((x.m + rows - 1) / rows) * x.k;
    if (x.next->b) left_[0] = {reinterpret_cast<const char*>(x.next->b), x.k * x.n * size};
    if (x.next->a) left_[1] = {reinterpret_cast<const char*>(x.next->a), x.m * x.k * size};
    const Size wanted = (left_[0].bytes + left_[1].bytes + steps - 1) / steps;
    step_ = wanted < kLine ? wanted : kLine;
  }

  explicit operator bool() const noexcept { return left_[0].bytes > 0 || left_[1].bytes > 0; }

  // Tells a tile of k steps what to fetch; again the last line where nothing is left.
  void next(End& end, Size k) noexcept {
    Memory& memory = left_[left_[0].bytes > 0 ? 0 : 1];
    end.ahead = memory.begin;
    end.ahead_step = memory.bytes > 0 ? step_ : 0;
    memory.begin += end.ahead_step * k;
    memory.bytes -= end.ahead_step * k;
  }

 private:
  static constexpr Size kLine = 64;
  struct Memory {
    const char* begin;
    Size bytes = 0;
  };
  Memory left_[2];
  Size step_ = 0;
};

// One pass of one product: rows of A (in place or packed by pack_rows), one panel of B.
template <class T, bool follows>
struct Pass {
  const MatmulBlock<T>* block;
  const T* packed_a;  // null: in place
  Size p, k;          // inner range p .. p + k
  Parts rows;
  Ahead<T, follows>* ahead;

  using End = typename Ahead<T, follows>::End;

  // Of the tile at (i, j).
  End end(Size i, Size j) const noexcept {
    const RegisterEpilogue<T>& all = block->epilogue;
    End end{};
    end.add = p > 0;
    if (p + k < block->k) return end;
    end.epilogue.relu = all.relu;
    if (all.bias) end.epilogue.bias = all.bias + j;
    if (all.relu_out) end.epilogue.relu_out = all.relu_out + i * all.ld_relu_out + j;
    end.epilogue.ld_relu_out = all.ld_relu_out;
    return end;
  }

  void panel(Size i0, Size j, Size vectors, Size width, const T* b, Size b_k) const noexcept {
    const MatmulBlock<T>& x = *block;
    const T* a = packed_a ? packed_a : x.a + i0 * x.a_row + p * x.a_k;
    T* c = x.c + i0 * x.ldc + j;
    const bool packed = packed_a != nullptr, fetches = vectors == Blocks<T>::kVectors && *ahead;
    const Tile<T>* tiles = fetches ? kTiles<T>.fetching[packed] : kTiles<T>.by_size[packed][vectors];
    End at = end(i0, j);
    for (Size i = 0; i < rows.count; ++i) {
      const Size m = rows[i];
      if (fetches) ahead->next(at, k);
      tiles[m](c, x.ldc, width, a, packed_a ? 1 : x.a_row, packed_a ? m : x.a_k, b, b_k, k, at);
      a += packed_a ? m * k : m * x.a_row;
      c += m * x.ldc;
      if (at.epilogue.relu_out) at.epilogue.relu_out += m * at.epilogue.ld_relu_out;
    }
  }
};

// All panels of B for rows i0 .. i0 + rows of one pass.
template <class T, bool follows>
void panels(const MatmulBlock<T>& x, const Pass<T, follows>& pass, Size i0, T* scratch) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, nr = Blocks<T>::kVectors * lanes;
  for (Size j = 0; j < x.n; j += nr) {
    const Size width = nr < x.n - j ? nr : x.n - j, vectors = (width + lanes - 1) / lanes;
    const T* b = x.b + pass.p * x.b_k + j * x.b_col;
    if (x.path == MatmulPath::in_place && width == vectors * lanes) {
      pass.panel(i0, j, vectors, width, b, x.b_k);
    } else {
      pack_panel(scratch, vectors * lanes, b, x.b_k, x.b_col, width, pass.k);
      pass.panel(i0, j, vectors, width, scratch, vectors * lanes);
    }
  }
}

// One row, B in place: as many vectors side by side as there are, so that loads do not wait for each other.
template <class T>
void row_pass(const MatmulBlock<T>& x, const T* a, const T* b, Size k, bool add) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, wide = Tiles<T>::kWide;
  Size j = 0;
  for (Size vectors; (vectors = (x.n - j) / lanes) > 0; j += vectors * lanes) {
    if (vectors > wide) vectors = wide;
    kTiles<T>.wide[vectors](x.c + j, x.ldc, vectors * lanes, a, x.a_row, x.a_k, b + j, x.b_k, k, TileEnd<T>{add});
  }
  if (const Size rest = x.n - j; rest > 0) {
    Vec<T> sum = broadcast(static_cast<T>(0));
    for (Size p = 0; p < k; ++p) sum = fma(broadcast(a[p * x.a_k]), load_n(b + p * x.b_k + j, rest), sum);
    store_n(x.c + j, add ? load_n(x.c + j, rest) + sum : sum, rest);
  }
}

template <class T>
void row_in_place(const MatmulBlock<T>& x) noexcept {
  // In passes, so that no sum runs over the whole of a long k.
  for (Size p = 0; p < x.k; p += Blocks<T>::kDepth) {
    const Size k = Blocks<T>::kDepth < x.k - p ? Blocks<T>::kDepth : x.k - p;
    row_pass(x, x.a + p * x.a_k, x.b + p * x.b_k, k, p > 0);
  }
}

template <class T, bool follows>
void blocked(const MatmulBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes, nr = Blocks<T>::kVectors * lanes;
  const bool packs_a = x.path == MatmulPath::pack_ab, packed = x.path == MatmulPath::packed_a;
  const Size limit = x.n <= lanes && !packed ? Blocks<T>::kNarrowRows : Blocks<T>::kRows;
  // Of a column of A read in place a part of each cache line is used: half as many of them stay in L1.
  const Size depth = !packs_a && !packed && x.a_k != 1 ? Blocks<T>::kDepth / 2 : Blocks<T>::kDepth;
  const Passes<T> passes(x.k, depth);
  T* scratch_a = x.scratch + nr * Blocks<T>::kDepth;
  Ahead<T, follows> ahead(x, limit);
  for (Size pass = 0; pass < passes.count; ++pass) {
    const Size p = passes.begin(pass), k = passes[pass];
    const Parts row_blocks(x.m, packs_a ? Size{Blocks<T>::kPackedRows} : x.m);
    for (Size block = 0, i0 = 0; block < row_blocks.count; i0 += row_blocks[block++]) {
      const Parts rows(row_blocks[block], limit);
      if (packs_a) pack_rows(scratch_a, rows, x.a + i0 * x.a_row + p * x.a_k, x.a_row, x.a_k, k);
      panels(x,
             Pass<T, follows>{&x,
                              packs_a  ? scratch_a
                              : packed ? x.a + p * x.m
                                       : nullptr,
                              p, k, rows, &ahead},
             i0, x.scratch);
    }
  }
}

template <class T>
void pack_a(T* out, const T* a, Size a_row, Size a_k, Size rows, Size k, Size pass) noexcept {
  const Passes<T> passes(k, Blocks<T>::kDepth);
  const Size p = passes.begin(pass);
  pack_rows(out + p * rows, Parts(rows, Blocks<T>::kRows), a + p * a_k, a_row, a_k, passes[pass]);
}

// The epilogue of products that do not leave through blocks of tiles.
template <class T>
void apply_epilogue(const MatmulBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const RegisterEpilogue<T> epilogue = x.epilogue;  // copies: c might be what x lies in, for all the compiler knows
  if (!epilogue.bias && !epilogue.relu && !epilogue.relu_out) return;
  const Vec<T> zero = broadcast(static_cast<T>(0));
  const Size cols = x.n;
  for (Size i = 0; i < x.m; ++i) {
    T* c = x.c + i * x.ldc;
    for (Size j = 0; j < cols; j += lanes) {
      const Size n = cols - j;
      Vec<T> sum = load_up_to(c + j, n);
      if (epilogue.bias) sum = sum + load_up_to(epilogue.bias + j, n);
      if (epilogue.relu) sum = max(zero, sum);
      if (epilogue.relu_out) {
        sum = select(less(zero, load_up_to(epilogue.relu_out + i * epilogue.ld_relu_out + j, n)), sum, zero);
      }
      store_up_to(c + j, sum, n);
    }
  }
}

// k == 1: each row is a multiple of the row of B, whose N vectors stay in registers; the last may be cut short.
template <class T, int N>
void outer_strip(const MatmulBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const Size a_row = x.a_row, ldc = x.ldc, last = x.n - (N - 1) * lanes;  // c might be what x lies in
  const T* a = x.a;
  T* c = x.c;
  Vec<T> row[N];
  for_vectors<T, 1, N>(x.n, [&](int, int v, Size n) { row[v] = load_up_to(x.b + v * lanes, n); });
  for (Size i = x.m; i > 0; --i, a += a_row, c += ldc) {
    const Vec<T> factor = broadcast(*a);
#pragma GCC unroll 4
    for (int v = 0; v + 1 < N; ++v) store(c + v * lanes, factor * row[v]);
    store_up_to(c + (N - 1) * lanes, factor * row[N - 1], last);
  }
}

// Of a longer row: written row by row, as memory lies.
template <class T>
void outer_rows(const MatmulBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  const Size n = x.n, whole = n - n % lanes;
  const T* b = x.b;
  for (Size i = 0; i < x.m; ++i) {
    const Vec<T> factor = broadcast(x.a[i * x.a_row]);
    T* c = x.c + i * x.ldc;
    for (Size j = 0; j < whole; j += lanes) store(c + j, factor * load(b + j));
    if (whole < n) store_n(c + whole, factor * load_n(b + whole, n - whole), n - whole);
  }
}

template <class T>
void outer_product(const MatmulBlock<T>& x) noexcept {
  constexpr Size lanes = Vec<T>::kLanes;
  if (x.n <= lanes) return outer_strip<T, 1>(x);
  if (x.n <= 2 * lanes) return outer_strip<T, 2>(x);
  if (x.n <= 3 * lanes) return outer_strip<T, 3>(x);
  if (x.n <= 4 * lanes) return outer_strip<T, 4>(x);
  outer_rows(x);
}

template <class T>
void matmul(const MatmulBlock<T>& x) noexcept {
  if (x.m <= 0 || x.n <= 0) return;
  const bool in_place = x.path == MatmulPath::in_place;
  if (x.k <= 0) {
    for (Size i = 0; i < x.m; ++i) {
      for (Size j = 0; j < x.n; ++j) x.c[i * x.ldc + j] = 0;
    }
  } else if (x.path == MatmulPath::dot) {
    dot_product(x);
  } else if (in_place && x.k == 1) {
    outer_product(x);
  } else if (in_place && x.m == 1) {
    row_in_place(x);
  } else {
    return x.next ? blocked<T, true>(x) : blocked<T, false>(x);
  }
  apply_epilogue(x);
}

}  // namespace
}  // namespace backpass::kernels
