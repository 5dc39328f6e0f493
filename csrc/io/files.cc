// Reading whole files on POSIX, and what can be wrong with them.
#include "io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "io/utf8.h"

namespace backpass {
namespace {

// The bytes read, 0 at the end of the file.
std::size_t read_some(int fd, char* out, std::size_t size, const std::string& path) {
  for (;;) {
    const ssize_t got = ::read(fd, out, std::min(size, kMostBytes));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) throw FileError("read", path, errno);
  }
}

}  // namespace

FileError::FileError(const char* verb, std::string file, int error, std::string why)
    : std::system_error(error, std::generic_category(),
                        std::string("cannot ") + verb + " " + printable(file) + (why.empty() ? "" : " (" + why + ")")),
      path_(std::move(file)),
      reason_(why.empty() ? code().message() : std::move(why)) {}

void check_path(const std::string& path) {
  if (path.find('\0') != std::string::npos) fail("path", "must not hold NUL, got \"", printable(path), '"');
}

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Descriptor::~Descriptor() {
  if (open()) ::close(fd_);
}

std::string read_file(const std::string& path) {
  check_path(path);
  // Without O_NONBLOCK a pipe would wait for a writer before it can be refused.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info = {};
  if (!file.open() || ::fstat(file.get(), &info) != 0) throw FileError("read", path, errno);
  if (S_ISDIR(info.st_mode)) throw FileError("read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) throw FileError("read", path, EINVAL, "not a regular file");
  std::string content(static_cast<std::size_t>(std::max<off_t>(info.st_size, 0)), '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const std::size_t got = read_some(file.get(), content.data() + size, content.size() - size, path);
    if (got == 0) break;  // it shrank meanwhile
    size += got;
  }
  content.resize(size);
  return content;
}

}  // namespace backpass
