// Files: read as a whole, replaced as a whole.
#pragma once

#include <string>
#include <string_view>

namespace backpass {

// The content of a file. Throws std::system_error (a std::runtime_error) with path and reason.
std::string read_file(const std::string& path);

// Writes beside the file, then renames: whoever reads sees the old content or the new, after a power cut too.
// The file's mode is kept and a link stays a link to the new content. Throws std::system_error with path and
// reason; the file is then as it was.
void replace_file(const std::string& path, std::string_view bytes);

}  // namespace backpass
