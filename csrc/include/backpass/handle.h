// What the shared handles hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace backpass {

// Throws std::invalid_argument: `[who] is empty: ...`.
[[noreturn]] void fail_empty_handle(const char* who);

template <std::size_t n>
struct HandleName {
  constexpr HandleName(const char (&name)[n]) { std::copy_n(name, n, text); }  // NOLINT: reads as what it is
  char text[n] = {};
};

// A shared pointer that may be empty, as one is that was made without arguments or moved from. Whoever uses an empty
// one gets std::invalid_argument.
template <class T, HandleName who>
class Handle {
 public:
  Handle() = default;
  template <class U>
  Handle(std::shared_ptr<U> held) : held_(std::move(held)) {}  // NOLINT: reads as what it is

  T& operator*() const { return *checked(); }
  T* operator->() const { return checked(); }
  const std::shared_ptr<T>& shared() const { return checked(), held_; }
  explicit operator bool() const { return held_ != nullptr; }
  bool operator==(const Handle& other) const { return held_ == other.held_; }
  auto operator<=>(const Handle& other) const { return held_ <=> other.held_; }

 private:
  T* checked() const {
    if (!held_) fail_empty_handle(who.text);
    return held_.get();
  }

  std::shared_ptr<T> held_;
};

}  // namespace backpass
