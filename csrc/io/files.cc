// Reading and atomic replacing on POSIX.
#include "io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

namespace backpass {
namespace {

[[noreturn]] void fail(const char* verb, const std::string& path, int error) {
  throw std::system_error(error, std::generic_category(), std::string("cannot ") + verb + " " + path);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // Some file systems report a failed write only here.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

constexpr std::size_t kChunk = std::size_t{1} << 30;  // macOS refuses 2 GiB and more at once

// The bytes read, 0 at the end of the file.
std::size_t read_some(int fd, char* out, std::size_t size, const std::string& path) {
  for (;;) {
    const ssize_t got = ::read(fd, out, std::min(size, kChunk));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail("read", path, errno);
  }
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), std::min(bytes.size(), kChunk));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

// Where a path leads; a link to nowhere is replaced itself.
std::string resolve(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

// A new file beside `path`, whose name goes to `name`. Two savers must not share one, and what a killed process has
// left must not stand in the way; process ids repeat in containers.
int open_temporary(const std::string& path, std::string& name) {
  static std::atomic<std::uint64_t> counter{0};
  for (;;) {
    name = path + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".tmp";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
}

// The rename lasts only when the folder is on the disk too; some file systems cannot do this, so errors pass.
void sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor descriptor(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());
}

// 0, or why it failed. `old` is the file's state before, null where it is new.
int write_file(Descriptor& file, std::string_view bytes, const struct stat* old) {
  if (old != nullptr && ::fchmod(file.get(), old->st_mode & 07777) != 0) return errno;
  if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0) return errno;
  return file.close() ? 0 : errno;
}

}  // namespace

std::string read_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) fail("read", path, errno);
  std::string content(static_cast<std::size_t>(std::max<off_t>(info.st_size, 0)) + 1, '\0');  // +1: finds the end
  std::size_t size = 0;
  while (const std::size_t got = read_some(file.get(), content.data() + size, content.size() - size, path)) {
    size += got;
    if (size == content.size()) content.resize(2 * size);  // a pipe, or a file that grows
  }
  content.resize(size);
  return content;
}

void replace_file(const std::string& path, std::string_view bytes) {
  const std::string target = resolve(path);
  struct stat old = {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  // Renaming over /dev/null would take it away from everybody.
  if (exists && !S_ISREG(old.st_mode)) fail("write", path, S_ISDIR(old.st_mode) ? EISDIR : EINVAL);
  std::string temporary;
  Descriptor file(open_temporary(target, temporary));
  if (file.get() < 0) fail("write", path, errno);
  int error = write_file(file, bytes, exists ? &old : nullptr);
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    fail("write", path, error);
  }
  sync_folder(target);
}

}  // namespace backpass
