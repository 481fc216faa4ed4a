// What Python knows as BlockVerifier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bindings/arrays.h"
#include "bindings/buffer_view.h"
#include "checksum/block_verifier.h"

namespace elanus::bindings {

// A verifier with the buffers that it reads. Its methods return -1 where nothing is damaged.
class FileVerifier {
 public:
  FileVerifier(nb::handle bytes, nb::handle checksums, std::size_t block_bytes)
      : bytes_(bytes), verifier_(bytes_.bytes(), BufferView(checksums).bytes(), block_bytes) {}

  bool is_verified(std::size_t start, std::size_t end) const {
    return verifier_.is_verified(start, end);
  }

  std::int64_t verify_range(std::size_t start, std::size_t end) {
    if (verifier_.is_verified(start, end)) return -1;
    const nb::gil_scoped_release unlocked;
    return to_signed(verifier_.verify_range(start, end));
  }

  std::int64_t verify_rows(std::size_t offset, std::size_t row_bytes, std::size_t num_rows,
                           const Array1<std::int64_t>& rows) {
    const RowLayout layout{offset, row_bytes, num_rows};
    if (verifier_.are_verified(layout, to_span(rows))) return -1;
    const nb::gil_scoped_release unlocked;
    return to_signed(verifier_.verify_rows(layout, to_span(rows)));
  }

  // Few bytes at a time: a span that was not checked yet costs a block or two.
  std::int64_t verify_spans(std::size_t base, const Array1<std::int64_t>& offsets,
                            const Array1<std::int64_t>& rows) {
    return to_signed(verifier_.verify_spans(base, to_span(offsets), to_span(rows)));
  }

  [[nodiscard]] BlockVerifier& get() noexcept { return verifier_; }

 private:
  static std::int64_t to_signed(std::optional<std::size_t> block) {
    return block.has_value() ? static_cast<std::int64_t>(*block) : -1;
  }

  BufferView bytes_;
  BlockVerifier verifier_;
};

}  // namespace elanus::bindings
