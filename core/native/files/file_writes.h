// Appending to a file and overwriting a few bytes of one, each in one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace elanus {

using ByteSpan = std::span<const std::uint8_t>;

// What became of an append: how much was written, and which of its two steps failed with which
// error number of the system.
struct Appended {
  std::size_t written = 0;
  int write_error = 0;
  int sync_error = 0;
};

// Writes the buffers end to end at the place of the descriptor, and with `sync` returns once all of
// the file survives a power loss. After an error any part may be in the file.
[[nodiscard]] Appended append_to_file(int fd, std::span<const ByteSpan> buffers,
                                      bool sync) noexcept;

// Puts `content` at the start of a file; returns the error number of the system, 0 for success.
[[nodiscard]] int overwrite_file(int fd, ByteSpan content) noexcept;

}  // namespace elanus
