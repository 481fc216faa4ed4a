#include "checksum/block_verifier.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "checksum/crc32c.h"
#include "support/error.h"

namespace elanus {
namespace {

std::size_t count_blocks(std::size_t size, std::size_t block_bytes) {
  if (block_bytes == 0) throw_invalid_argument("block_bytes: expected at least 1");
  return size / block_bytes + (size % block_bytes == 0 ? 0 : 1);
}

// Calls visit(first block, last block) of each row until it returns false.
template <typename Visit>
void for_each_row(const RowLayout& layout, std::span<const std::int64_t> rows,
                  std::size_t block_bytes, Visit visit) {
  for (const std::int64_t row : rows) {
    if (row < 0 || static_cast<std::size_t>(row) >= layout.num_rows) {
      throw_invalid_argument("row " + std::to_string(row) + " is outside of 0 to " +
                             std::to_string(layout.num_rows));
    }
    const std::size_t start = layout.offset + static_cast<std::size_t>(row) * layout.row_bytes;
    if (!visit(start / block_bytes, (start + layout.row_bytes - 1) / block_bytes)) return;
  }
}

}  // namespace

BlockVerifier::BlockVerifier(std::span<const std::uint8_t> bytes,
                             std::span<const std::uint8_t> checksums, std::size_t block_bytes)
    : bytes_(bytes),
      checksums_(count_blocks(bytes.size(), block_bytes)),
      marks_(checksums_.size()),
      num_left_(checksums_.size()),
      block_bytes_(block_bytes) {
  if (checksums.size() != checksums_.size() * sizeof(std::uint32_t)) {
    throw_invalid_argument("checksums: expected " + std::to_string(checksums_.size()) +
                           " of 4 bytes, got " + std::to_string(checksums.size()) + " bytes");
  }
  if (!checksums.empty()) std::memcpy(checksums_.data(), checksums.data(), checksums.size());
}

std::optional<std::size_t> BlockVerifier::verify_range(std::size_t start, std::size_t end) {
  check_range(start, end);
  if (start == end) return std::nullopt;
  for (std::size_t block = start / block_bytes_; block <= (end - 1) / block_bytes_; ++block) {
    if (!verify_block(block)) return block;
  }
  return std::nullopt;
}

std::optional<std::size_t> BlockVerifier::verify_rows(const RowLayout& layout,
                                                      std::span<const std::int64_t> rows) {
  check_layout(layout);
  std::optional<std::size_t> damaged;
  for_each_row(layout, rows, block_bytes_, [&](std::size_t first, std::size_t last) {
    for (std::size_t block = first; block <= last; ++block) {
      if (!verify_block(block)) damaged = block;
      if (damaged.has_value()) return false;
    }
    return true;
  });
  return damaged;
}

std::optional<std::size_t> BlockVerifier::verify_spans(std::size_t base,
                                                       std::span<const std::int64_t> offsets,
                                                       std::span<const std::int64_t> rows) {
  for (const std::int64_t row : rows) {
    const auto place = static_cast<std::size_t>(row);
    if (row < 0 || place + 1 >= offsets.size()) {
      throw_invalid_argument("row " + std::to_string(row) + " has no offsets");
    }
    if (offsets[place] < 0 || offsets[place + 1] < offsets[place]) {
      throw_invalid_argument("offsets of row " + std::to_string(row) + " do not ascend");
    }
    const auto damaged = verify_range(base + static_cast<std::size_t>(offsets[place]),
                                      base + static_cast<std::size_t>(offsets[place + 1]));
    if (damaged.has_value()) return damaged;
  }
  return std::nullopt;
}

bool BlockVerifier::is_verified(std::size_t start, std::size_t end) const {
  check_range(start, end);
  if (start == end || num_left_.load(std::memory_order_relaxed) == 0) return true;
  for (std::size_t block = start / block_bytes_; block <= (end - 1) / block_bytes_; ++block) {
    if (!marked(block)) return false;
  }
  return true;
}

bool BlockVerifier::are_verified(const RowLayout& layout,
                                 std::span<const std::int64_t> rows) const {
  check_layout(layout);
  bool all = true;
  for_each_row(layout, rows, block_bytes_, [&](std::size_t first, std::size_t last) {
    for (std::size_t block = first; block <= last; ++block) all = all && marked(block);
    return all;
  });
  return all;
}

void BlockVerifier::check_range(std::size_t start, std::size_t end) const {
  if (start > end || end > bytes_.size()) {
    throw_invalid_argument("bytes " + std::to_string(start) + " to " + std::to_string(end) +
                           " are outside of " + std::to_string(bytes_.size()));
  }
}

void BlockVerifier::check_layout(const RowLayout& layout) const {
  const std::size_t room = bytes_.size() - std::min(layout.offset, bytes_.size());
  if (layout.row_bytes == 0 || layout.num_rows > room / layout.row_bytes) {
    throw_invalid_argument(std::to_string(layout.num_rows) + " rows of " +
                           std::to_string(layout.row_bytes) + " bytes do not fit into " +
                           std::to_string(room));
  }
}

bool BlockVerifier::verify_block(std::size_t block) {
  if (marked(block)) return true;
  const std::size_t start = block * block_bytes_;
  const std::size_t size = std::min(block_bytes_, bytes_.size() - start);
  if (crc32c(bytes_.subspan(start, size), 0) != checksums_[block]) return false;
  if (marks_[block].exchange(1, std::memory_order_relaxed) == 0) {
    num_left_.fetch_sub(1, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace elanus
