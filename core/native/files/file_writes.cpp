#include "files/file_writes.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace elanus {
namespace {

// Fewer than the 1024 that Linux and macOS take in one call, so that they fit on the stack.
constexpr std::size_t kBuffersPerCall = 64;

// A position in a list of buffers, which goes forward as bytes are written.
class Pending {
 public:
  explicit Pending(std::span<const ByteSpan> buffers) noexcept : buffers_(buffers) { skip(0); }

  [[nodiscard]] bool empty() const noexcept { return buffers_.empty(); }

  // Fills `vectors` with what comes next; returns how many there are.
  [[nodiscard]] int next(std::span<iovec> vectors) const noexcept {
    const std::size_t count = std::min(buffers_.size(), vectors.size());
    for (std::size_t i = 0; i < count; ++i) {
      const ByteSpan rest = i == 0 ? buffers_[0].subspan(done_) : buffers_[i];
      // writev knows no const; it only reads.
      vectors[i] = {const_cast<std::uint8_t*>(rest.data()), rest.size()};
    }
    return static_cast<int>(count);
  }

  void skip(std::size_t written) noexcept {
    done_ += written;
    while (!buffers_.empty() && done_ >= buffers_[0].size()) {
      done_ -= buffers_[0].size();
      buffers_ = buffers_.subspan(1);
    }
  }

 private:
  std::span<const ByteSpan> buffers_;
  std::size_t done_ = 0;
};

int sync_once(int fd) noexcept {
#ifdef __APPLE__
  // fsync of macOS leaves the bytes in the drive's cache.
  if (::fcntl(fd, F_FULLFSYNC) == 0) return 0;
  if (errno != ENOTSUP && errno != EINVAL) return errno;
  return ::fsync(fd) == 0 ? 0 : errno;
#else
  return ::fdatasync(fd) == 0 ? 0 : errno;
#endif
}

}  // namespace

Appended append_to_file(int fd, std::span<const ByteSpan> buffers, bool sync) noexcept {
  Appended result;
  std::array<iovec, kBuffersPerCall> vectors{};
  for (Pending pending(buffers); !pending.empty();) {
    const ssize_t written = ::writev(fd, vectors.data(), pending.next(vectors));
    if (written < 0) {
      if (errno == EINTR) continue;
      result.write_error = errno;
      return result;
    }
    result.written += static_cast<std::size_t>(written);
    pending.skip(static_cast<std::size_t>(written));
  }
  // An interrupted sync is no failure, and the only one that may be repeated.
  while (sync && (result.sync_error = sync_once(fd)) == EINTR) continue;
  return result;
}

int overwrite_file(int fd, ByteSpan content) noexcept {
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t written =
        ::pwrite(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    done += static_cast<std::size_t>(written);
  }
  return 0;
}

}  // namespace elanus
