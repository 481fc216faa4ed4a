// How the postings of sealed rows lie in memory and on disk.
//
// Terms lie end to end in one array of bytes. A term with fewer than `kShortListRows` rows is a
// list of row ids with a code each. A longer one has a directory of windows of `kWindowRows` rows
// and a container of row ids and codes for each window that it occurs in:
//
//   array   row in the window, 2 bytes each; codes
//   bitmap  one bit for each row of the window; rows before every 256th row; codes
//   dense   the code of each row of the window, 0 where the term is not; rows before every 64th row
//
// A code is the posting's weight in 1/255 of the largest there can be, rounded, at least 1.
// Searches add codes up and look exact weights up for the few rows that may be among the best.
// Numbers are little-endian. docs/file-format.md has the layout byte by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace elanus::packed {

inline constexpr std::size_t kWindowRows = 16384;  // their counters of 16 bits fill 32 KiB
inline constexpr std::size_t kShortListRows = 128;
inline constexpr std::size_t kMaxRows = std::size_t{1} << 29;
inline constexpr std::size_t kUnitBytes = 4;       // terms start at multiples
inline constexpr std::size_t kPaddingBytes = 128;  // vector loads may read on behind the last term
inline constexpr std::size_t kWindowWords = kWindowRows / 64;
inline constexpr std::size_t kRowsPerBitmapRank = 256;
inline constexpr std::size_t kRowsPerDenseRank = 64;
inline constexpr unsigned kMaxCode = 255;

// A term's entry: its document frequency and, in the highest bits, what else it stores.
inline constexpr std::uint32_t kFrequencyMask = (1U << 29) - 1;
inline constexpr std::uint32_t kHasTinyWeights = 1U << 29;   // below half a code, raised to 1
inline constexpr std::uint32_t kHasExactWeights = 1U << 30;  // largest weight; a weight a posting
inline constexpr std::uint32_t kHasExceptions = 1U << 31;    // weights that codes do not give back

enum class ContainerKind : std::uint8_t { array = 0, bitmap = 1, dense = 2 };

struct DirectoryEntry {
  std::uint32_t first;   // postings of the term before this window
  std::uint32_t place;   // of the container, from the start of the term, in units of 2 bytes
  std::uint16_t window;  // ascending
  std::uint8_t largest_code;
  std::uint8_t kind;
};
static_assert(sizeof(DirectoryEntry) == 12);

struct WeightException {
  std::uint32_t row;  // ascending
  float weight;
};
static_assert(sizeof(WeightException) == 8);

inline constexpr std::size_t kBitmapRanks = kWindowRows / kRowsPerBitmapRank;
inline constexpr std::size_t kDenseRanks = kWindowRows / kRowsPerDenseRank;
inline constexpr std::size_t kBitmapBytes = kWindowWords * 8 + kBitmapRanks * 2;
inline constexpr std::size_t kDenseBytes = kWindowRows + kDenseRanks * 2;

// Measured on Cascade Lake, which spreads bitmaps by byte shuffles: from a tenth of the rows on a
// bitmap takes less space than an array but more time, from a sixth on less of both. A quarter
// keeps dense postings at 4 bytes.
inline constexpr std::size_t kLeastBitmapRows = kWindowRows / 6;
inline constexpr std::size_t kLeastDenseRows = kWindowRows / 4;

[[nodiscard]] constexpr ContainerKind kind_for(std::size_t count) noexcept {
  if (count >= kLeastDenseRows) return ContainerKind::dense;
  return count >= kLeastBitmapRows ? ContainerKind::bitmap : ContainerKind::array;
}

// Without the byte that may follow, for containers lie at multiples of 2 bytes.
[[nodiscard]] constexpr std::size_t container_bytes(ContainerKind kind,
                                                    std::size_t count) noexcept {
  switch (kind) {
    case ContainerKind::bitmap:
      return kBitmapBytes + count;
    case ContainerKind::dense:
      return kDenseBytes;
    default:
      return count * 3;
  }
}

[[nodiscard]] constexpr std::size_t windows_for(std::size_t num_rows) noexcept {
  return (num_rows + kWindowRows - 1) / kWindowRows;
}

// Whether a share of the largest weight is so small that its code is raised to 1.
[[nodiscard]] inline bool is_tiny(double share) noexcept { return share * kMaxCode < 0.5; }

[[nodiscard]] inline std::uint8_t code_of(double share) noexcept {
  const double scaled = share * kMaxCode + 0.5;
  return static_cast<std::uint8_t>(std::clamp(scaled, 1.0, static_cast<double>(kMaxCode)));
}

// Codes of term frequencies: `tf / (tf + K)`, K for the length of the row as it was when the rows
// were sealed. Code and length give the term frequency back, but for the few that are stored.
class FrequencyCoding {
 public:
  FrequencyCoding(double k1, double b, double average_length) noexcept
      : base_(k1 * (1 - b)), slope_(average_length > 0 ? k1 * b / average_length : 0.0) {}

  [[nodiscard]] double norm(double length) const noexcept { return base_ + slope_ * length; }
  [[nodiscard]] double base() const noexcept { return base_; }
  [[nodiscard]] double slope() const noexcept { return slope_; }

  [[nodiscard]] double share(float frequency, std::uint32_t length) const noexcept {
    const double tf = frequency;
    return tf / (tf + norm(length));
  }

  // The smallest term frequency with this code.
  [[nodiscard]] float decode(std::uint8_t code, std::uint32_t length) const noexcept {
    const double middle = static_cast<double>(code) - 0.5;
    const double tf = norm(length) * middle / (kMaxCode - middle) - kRounding;
    if (!(tf > 1)) return 1;
    if (tf > kMaxDecoded) return kMaxDecoded;
    const auto whole = static_cast<std::int64_t>(tf);
    return static_cast<float>(whole) + (static_cast<double>(whole) < tf ? 1.0F : 0.0F);
  }

 private:
  // Smaller than what separates whole frequencies, larger than what the divisions round away.
  static constexpr double kRounding = 1e-7;
  static constexpr float kMaxDecoded = 1e9F;

  double base_;
  double slope_;
};

}  // namespace elanus::packed
