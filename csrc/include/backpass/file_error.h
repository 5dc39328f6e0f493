// What reading and writing of files throws.
#pragma once

#include <string>
#include <system_error>

namespace backpass {

// A file that cannot be read or written. In Python it is an OSError.
class FileError : public std::system_error {
 public:
  FileError(const char* verb, std::string file, int error, std::string why = {});
  const std::string& path() const { return path_; }
  const std::string& reason() const { return reason_; }  // "No space left on device"

 private:
  std::string path_, reason_;
};

}  // namespace backpass
