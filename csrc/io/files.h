// Files: read as a whole, replaced as a whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "backpass/file_error.h"

namespace backpass {

inline constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of one call: macOS refuses 2 GiB and more

// The content of a regular file: what never ends, such as a device, and what may wait for somebody, such as a pipe, is
// refused. Throws FileError; std::invalid_argument where the path holds NUL.
std::string read_file(const std::string& path);

// Writes beside the file, then renames: whoever reads sees the old content or the new, after a power cut too. What a
// killed process left behind (`.backpass-*.tmp`) goes when the same file is written again.
// Mode, owner, group and extended attributes of an existing file are kept as far as the process may set them; where the
// group cannot be kept, it gets no more rights than everybody has. A link stays a link and its target is written, or
// made. Other hard links keep the old content. Refused: a file that is read-only, for root too, or that the process
// must not write; what is no regular file. Throws FileError, and std::invalid_argument where the path holds NUL; the
// file is then as it was.
void replace_file(const std::string& path, std::string_view bytes);

// For both: throws std::invalid_argument where the path holds NUL, behind which the system would not look.
void check_path(const std::string& path);

// Open while it lives.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();
  bool open() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace backpass
