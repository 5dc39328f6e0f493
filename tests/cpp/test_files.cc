// Files: what replacing keeps, what is refused, and what killed processes leave.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/files.h"
#include "io_check.h"

namespace backpass {
namespace {

namespace fs = std::filesystem;

// Removed at the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("backpass_files_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::ptrdiff_t count() const { return std::distance(fs::directory_iterator(path), fs::directory_iterator()); }
};

template <class Call>
bool fails(int error, Call call) {
  try {
    call();
  } catch (const FileError& caught) {
    return caught.code().value() == error;
  }
  return false;
}

struct stat status(const std::string& path) {
  struct stat result = {};
  ::lstat(path.c_str(), &result);
  return result;
}

void test_reading() {
  const Folder folder;
  replace_file(folder / "a", std::string("one\0two", 7));
  CHECK(read_file(folder / "a") == std::string("one\0two", 7));
  CHECK(fails(ENOENT, [&] { read_file(folder / "none"); }));
  CHECK(fails(EISDIR, [&] { read_file(folder.path.string()); }));
  CHECK(fails(EINVAL, [] { read_file("/dev/zero"); }));
  ::mkfifo((folder / "pipe").c_str(), 0600);
  CHECK(fails(EINVAL, [&] { read_file(folder / "pipe"); }));
  CHECK(refuses([&] { read_file(folder / std::string("a\0b", 3)); }, "NUL"));
}

void test_names() {
  const Folder folder;
  for (const std::string& name : {std::string(255, 'n'), std::string("\xff\xfe"), std::string("\u20ac \n*")}) {
    replace_file(folder / name, "1");
    replace_file(folder / name, name);
    CHECK(read_file(folder / name) == name);
  }
  CHECK(folder.count() == 3);
  CHECK(fails(ENAMETOOLONG, [&] { replace_file(folder / std::string(256, 'n'), ""); }));
  CHECK(refuses([&] { replace_file(folder / std::string("a\0b", 3), ""); }, "NUL"));
  CHECK(!fs::exists(folder / "a"));
  try {
    read_file(folder / "\xff none");
  } catch (const FileError& error) {
    CHECK(std::string(error.what()).find("\\xff none") != std::string::npos);
  }
  CHECK(folder.count() == 3);
}

void test_what_replacing_keeps() {
  const Folder folder;
  const std::string path = folder / "a";
  replace_file(path, "old");
  CHECK((status(path).st_mode & 0777) == (0666 & ~[] {
          const mode_t mask = ::umask(0);
          ::umask(mask);
          return mask;
        }()));
  ::chmod(path.c_str(), 0640);
  const bool root = ::geteuid() == 0;
  if (root) CHECK(::chown(path.c_str(), 1234, 5678) == 0);
#ifdef __linux__
  const bool attributes = ::setxattr(path.c_str(), "user.note", "kept", 4, 0) == 0;
#endif
  fs::create_hard_link(path, folder / "other");
  replace_file(path, "new");
  CHECK(read_file(path) == "new" && read_file(folder / "other") == "old");
  CHECK((status(path).st_mode & 07777) == 0640);
  if (root) CHECK(status(path).st_uid == 1234 && status(path).st_gid == 5678);
#ifdef __linux__
  char note[5] = {};
  if (attributes) CHECK(::getxattr(path.c_str(), "user.note", note, 4) == 4 && std::string(note) == "kept");
#endif
}

void test_links() {
  const Folder folder;
  fs::create_directory(folder.path / "inner");
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("inner/c", folder / "b");
  replace_file(folder / "a", "made");  // a dangling link says where the file shall be
  CHECK(fs::is_symlink(folder / "a") && fs::is_symlink(folder / "b"));
  CHECK(read_file(folder / "inner/c") == "made");
  replace_file(folder / "a", "again");
  CHECK(fs::is_symlink(folder / "a") && read_file(folder / "inner/c") == "again");
  fs::create_symlink("none/d", folder / "lost");
  CHECK(fails(ENOENT, [&] { replace_file(folder / "lost", ""); }));
  fs::create_symlink("loop", folder / "loop");
  CHECK(fails(ELOOP, [&] { replace_file(folder / "loop", ""); }));
}

void test_what_is_not_replaced() {
  const Folder folder;
  const std::string path = folder / "a";
  replace_file(path, "old");
  ::chmod(path.c_str(), 0444);
  CHECK(fails(EACCES, [&] { replace_file(path, "new"); }));  // for root too
  CHECK(read_file(path) == "old");
  ::mkfifo((folder / "pipe").c_str(), 0600);
  CHECK(fails(EINVAL, [&] { replace_file(folder / "pipe", ""); }));
  CHECK(fails(EINVAL, [] { replace_file("/dev/null", ""); }));
  CHECK(fails(EISDIR, [&] { replace_file(folder.path.string(), ""); }));
  CHECK(fails(ENOENT, [&] { replace_file(folder / "none/a", ""); }));
  CHECK(fails(ENOENT, [] { replace_file("", ""); }));
  CHECK(folder.count() == 2);
}

// A saver that is killed leaves one file at most, however often, and the next one takes it away.
void test_kills() {
  const Folder folder;
  const std::string path = folder / "a", content(1 << 22, 'x');
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) replace_file(path, content);
    }
    ::usleep(3000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(folder.count() <= 2);
    if (fs::exists(path)) CHECK(read_file(path) == content);
  }
  replace_file(path, "last");
  CHECK(folder.count() == 1 && read_file(path) == "last");
}

// Whoever comes last wins; nobody takes another's file away.
void test_savers_at_once() {
  const Folder folder;
  std::vector<std::thread> savers;
  for (const char c : {'a', 'b', 'c', 'd'})
    savers.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) replace_file(folder / "a", std::string(10'000, c));
    });
  for (std::thread& saver : savers) saver.join();
  const std::string last = read_file(folder / "a");
  CHECK(last == std::string(10'000, last[0]) && folder.count() == 1);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_reading();
  test_names();
  test_what_replacing_keeps();
  test_links();
  test_what_is_not_replaced();
  test_kills();
  test_savers_at_once();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
