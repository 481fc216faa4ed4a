// A file in the address space, without a descriptor kept open for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace elanus {

// How the pages of a map will be used.
enum class Advice { normal, random, sequential, will_need, dont_need };

// The bytes that a file had when it was mapped, for reading. They stay when the file is deleted.
// Reading beyond a length that the file was cut to since ends the process with SIGBUS.
class FileMap {
 public:
  // Throws std::system_error with the error number of the system.
  explicit FileMap(const std::string& path);
  ~FileMap();
  FileMap(const FileMap&) = delete;
  FileMap& operator=(const FileMap&) = delete;

  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

  // A hint for the pages that hold bytes [start, end); it never changes what is read.
  void advise(Advice advice, std::size_t start, std::size_t end) const noexcept;

 private:
  std::span<std::uint8_t> bytes_;
};

}  // namespace elanus
