// Errors that read `[Dense] units must be positive, got 0`.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace backpass {

template <class... Parts>
std::string message(const std::string& who, const Parts&... parts) {
  std::ostringstream text;
  text << '[' << who << "] ";
  (text << ... << parts);
  return text.str();
}

template <class... Parts>
[[noreturn]] void fail(const std::string& who, const Parts&... parts) {
  throw std::invalid_argument(message(who, parts...));
}

}  // namespace backpass
