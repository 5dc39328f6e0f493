// Replacing a file as a whole: written beside it under a name of our own, then renamed.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "io/files.h"

namespace backpass {
namespace {

constexpr int kMaxLinks = 40;          // as Linux follows
constexpr int kMaxTemporaries = 1000;  // of one file, by savers at work or out of our reach

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), std::min(bytes.size(), kMostBytes));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

// What is to be replaced.
struct Target {
  std::string path;  // no link
  bool exists = false;
  struct stat old = {};
};

// Where links lead in the end, whether there is something or not.
std::string follow(const std::string& path) {
  std::filesystem::path target = path;
  std::error_code none;
  for (int links = 0; std::filesystem::is_symlink(target, none); ++links) {
    if (links == kMaxLinks) throw FileError("write", path, ELOOP);
    target = target.parent_path() / std::filesystem::read_symlink(target, none);
  }
  return target.string();
}

// Throws FileError where it must not be written.
Target find_target(const std::string& path) {
  check_path(path);
  Target target;
  target.exists = ::stat(path.c_str(), &target.old) == 0;
  // Renaming over /dev/null would take it away from everybody.
  if (target.exists && S_ISDIR(target.old.st_mode)) throw FileError("write", path, EISDIR);
  if (target.exists && !S_ISREG(target.old.st_mode)) throw FileError("write", path, EINVAL, "not a regular file");
  target.path = follow(path);
  if (!target.exists) return target;
  // In /proc there are links whose text is no path.
  if (::stat(target.path.c_str(), &target.old) != 0) throw FileError("write", path, errno);
  if ((target.old.st_mode & 0222) == 0) throw FileError("write", path, EACCES, "read-only");
  if (::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) != 0) throw FileError("write", path, errno);
  return target;
}

// Short, so that a file of any name can be saved, and of the file's name, so that whoever saves it next finds what a
// killed process left.
std::string temporary_name(const std::string& path, int number) {
  const std::filesystem::path target = path;
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : target.filename().string()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char name[48];
  std::snprintf(name, sizeof name, ".backpass-%016llx-%d.tmp", static_cast<unsigned long long>(hash), number);
  return (target.parent_path() / name).string();
}

bool is_named(int fd, const std::string& name) {
  struct stat by_fd = {}, by_name = {};
  return ::fstat(fd, &by_fd) == 0 && ::lstat(name.c_str(), &by_name) == 0 && by_fd.st_ino == by_name.st_ino &&
         by_fd.st_dev == by_name.st_dev;
}

// Whoever writes a temporary file holds its lock, also against other threads; a dead process holds none.
void remove_stale(const std::string& name) {
  const Descriptor file(::open(name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && is_named(file.get(), name)) ::unlink(name.c_str());
}

// A new file beside the target, locked while it is ours.
Descriptor create_temporary(const std::string& path, const Target& target, std::string& name) {
  for (int number = 0; number < kMaxTemporaries; ++number) {
    name = temporary_name(target.path, number);
    remove_stale(name);
    Descriptor made(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, target.exists ? 0600 : 0666));
    if (!made.open() && errno != EEXIST) throw FileError("write", path, errno);
    if (!made.open()) continue;
    const bool ours = ::flock(made.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;  // some have no locks
    if (ours && is_named(made.get(), name)) return made;
    // Somebody took it for a stale one.
  }
  throw FileError("write", path, EEXIST);
}

// Removed unless it was renamed; the lock lasts until then.
class Temporary {
 public:
  Temporary(const std::string& path, const Target& target) : file_(create_temporary(path, target, name_)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  int fd() const { return file_.get(); }
  bool rename_to(const std::string& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  std::string name_;
  Descriptor file_;
};

// Among them access control lists. What cannot be copied is left out, as `cp` does unless asked.
void copy_attributes([[maybe_unused]] const std::string& from, [[maybe_unused]] int to) {
#ifdef __linux__
  const auto fetch = [&](auto read) {
    const ssize_t size = read(nullptr, 0);
    std::string bytes(static_cast<std::size_t>(std::max<ssize_t>(size, 0)), '\0');
    const ssize_t got = read(bytes.data(), bytes.size());
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
  };
  const std::string names = fetch([&](char* out, std::size_t size) { return ::listxattr(from.c_str(), out, size); });
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const char* name = names.c_str() + at;
    const std::string value =
        fetch([&](char* out, std::size_t size) { return ::getxattr(from.c_str(), name, out, size); });
    ::fsetxattr(to, name, value.data(), value.size(), 0);
  }
#endif
}

// Who may do what with it stays; where owner or group cannot, nobody may more than before.
bool keep_attributes(const Target& target, int fd) {
  const struct stat& old = target.old;
  const bool owner = ::fchown(fd, old.st_uid, old.st_gid) == 0;
  const bool group = owner || ::fchown(fd, static_cast<uid_t>(-1), old.st_gid) == 0;
  copy_attributes(target.path, fd);
  mode_t mode = old.st_mode & (owner ? 07777 : 0777);
  if (!group) mode = (mode & 0707) | (mode & mode << 3 & 0070);
  return ::fchmod(fd, mode) == 0;
}

// To the disk. Some file systems report a failed write only when a descriptor is closed.
bool flush(int fd) {
  if (::fsync(fd) != 0) return false;
  const int twin = ::dup(fd);
  return twin >= 0 && ::close(twin) == 0;
}

// The rename lasts only when the folder is on the disk too; some file systems cannot do this, so errors pass.
void sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor descriptor(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.open()) ::fsync(descriptor.get());
}

}  // namespace

void replace_file(const std::string& path, std::string_view bytes) {
  const Target target = find_target(path);
  Temporary temporary(path, target);
  if (!write_all(temporary.fd(), bytes) || (target.exists && !keep_attributes(target, temporary.fd())) ||
      !flush(temporary.fd()) || !temporary.rename_to(target.path))
    throw FileError("write", path, errno);
  sync_folder(target.path);
}

}  // namespace backpass
