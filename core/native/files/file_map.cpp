#include "files/file_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "files/unmapper.h"

namespace elanus {
namespace {

[[noreturn]] void throw_errno(const std::string& path) {
  throw std::system_error(errno, std::generic_category(), path);
}

// Closes the file at the end of its scope: a map does not need it.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open_again(path)) {
    if (fd_ < 0) throw_errno(path);
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  static int open_again(const std::string& path) noexcept {
    for (;;) {
      const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd >= 0 || errno != EINTR) return fd;
    }
  }

  int fd_;
};

int system_advice(Advice advice) noexcept {
  switch (advice) {
    case Advice::random:
      return MADV_RANDOM;
    case Advice::sequential:
      return MADV_SEQUENTIAL;
    case Advice::will_need:
      return MADV_WILLNEED;
    case Advice::dont_need:
      return MADV_DONTNEED;
    case Advice::normal:
      break;
  }
  return MADV_NORMAL;
}

}  // namespace

FileMap::FileMap(const std::string& path) {
  const OpenFile file(path);
  struct stat found{};
  if (::fstat(file.fd(), &found) != 0) throw_errno(path);
  if (S_ISDIR(found.st_mode)) {
    errno = EISDIR;
    throw_errno(path);
  }
  const auto size = static_cast<std::size_t>(found.st_size);
  if (size == 0) return;  // nothing to map, and mmap refuses it
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (address == MAP_FAILED) throw_errno(path);
  bytes_ = {static_cast<std::uint8_t*>(address), size};
}

FileMap::~FileMap() {
  if (!bytes_.empty()) unmap_later(bytes_);
}

void FileMap::advise(Advice advice, std::size_t start, std::size_t end) const noexcept {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = start / page * page;
  const std::size_t last = std::min(end, bytes_.size());
  if (first >= last) return;
  ::madvise(bytes_.data() + first, last - first, system_advice(advice));
}

}  // namespace elanus
