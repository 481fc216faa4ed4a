// Are the blocks of a file what was written? Each is checked once, when it is first touched.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace elanus {

// Rows of one width that lie end to end within the verified bytes.
struct RowLayout {
  std::size_t offset;     // of row 0, in bytes
  std::size_t row_bytes;  // of each row, at least 1
  std::size_t num_rows;
};

// Safe from many threads at once: two may check the same block, and find the same.
class BlockVerifier {
 public:
  // `bytes` outlives the verifier. `checksums` are little-endian u32, one for each block of
  // `block_bytes`, the last of which may be short. Throws Error when their number does not fit.
  BlockVerifier(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> checksums,
                std::size_t block_bytes);

  // Each returns the first damaged block that it met, if any; it stays unverified.
  // Throws Error when the range leaves the bytes.
  [[nodiscard]] std::optional<std::size_t> verify_range(std::size_t start, std::size_t end);
  // Throws Error when a row is not in the layout, or the layout not in the bytes.
  [[nodiscard]] std::optional<std::size_t> verify_rows(const RowLayout& layout,
                                                       std::span<const std::int64_t> rows);

  // Checks the bytes `base + offsets[row]` to `base + offsets[row + 1]` of each row.
  // Throws Error when a row has no two offsets, or they do not ascend.
  [[nodiscard]] std::optional<std::size_t> verify_spans(std::size_t base,
                                                        std::span<const std::int64_t> offsets,
                                                        std::span<const std::int64_t> rows);

  // Whether the same call would find every block verified already, and so do nothing.
  [[nodiscard]] bool is_verified(std::size_t start, std::size_t end) const;
  [[nodiscard]] bool are_verified(const RowLayout& layout,
                                  std::span<const std::int64_t> rows) const;

 private:
  void check_range(std::size_t start, std::size_t end) const;
  void check_layout(const RowLayout& layout) const;
  [[nodiscard]] bool verify_block(std::size_t block);
  [[nodiscard]] bool marked(std::size_t block) const noexcept {
    return marks_[block].load(std::memory_order_relaxed) != 0;
  }

  std::span<const std::uint8_t> bytes_;
  std::vector<std::uint32_t> checksums_;
  std::vector<std::atomic<std::uint8_t>> marks_;
  std::atomic<std::size_t> num_left_;  // blocks without a mark
  std::size_t block_bytes_;
};

}  // namespace elanus
