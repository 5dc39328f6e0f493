// Patterns over names.
#pragma once

#include <string_view>

namespace backpass {

// Whether '*' (anything) and '?' (one character) can be filled in so that the pattern is the name.
bool matches(std::string_view pattern, std::string_view name);

}  // namespace backpass
