#include "filter/elements.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "support/cancel.h"
#include "support/error.h"

namespace elanus {
namespace {

// Elements that are compared before those that are equal are looked at.
constexpr std::size_t kBlock = 1024;
constexpr std::size_t kWord = sizeof(std::uint64_t);
// Rows from a guess that are passed one by one before the rest of them are halved.
constexpr std::size_t kMostSteps = 16;
// Rows that are passed in less time than one is read that lies anywhere.
constexpr std::size_t kNearRows = 512;

using Flags = std::array<std::uint8_t, kBlock>;

template <typename T>
void flag_equal(const T* values, std::size_t size, T wanted, std::uint8_t* flags) {
  for (std::size_t i = 0; i < size; ++i) {
    flags[i] |= static_cast<std::uint8_t>(values[i] == wanted);
  }
}

// Calls `found` with the places of elements that equal one of `wanted`, ascending, some at a time:
// what is read for each of them is far away from the last, and many such reads overlap.
template <typename T, typename Found>
void each_equal(std::span<const T> values, std::span<const std::int64_t> wanted, Found found) {
  CancelPoint point;
  Flags flags;
  std::array<std::size_t, kBlock> places;
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const std::size_t size = std::min(kBlock, values.size() - first);
    flags.fill(0);
    for (const std::int64_t value : wanted) {
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) continue;
      flag_equal(values.data() + first, size, static_cast<T>(value), flags.data());
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; i += kWord) {
      std::uint64_t word = 0;
      std::memcpy(&word, flags.data() + i, kWord);
      while (word != 0) {
        places[count++] = first + i + static_cast<std::size_t>(__builtin_ctzll(word)) / 8;
        word &= word - 1;
      }
    }
    found(std::span<const std::size_t>(places.data(), count));
    point.passed(size * wanted.size());
  }
}

// Finds the rows of ascending places: about as far on as the mean length of a row says. Offsets
// that do not ascend lead to wrong rows, and to none that is not there.
class RowWalk {
 public:
  explicit RowWalk(std::span<const std::int64_t> offsets)
      : offsets_(offsets),
        first_(offsets.front()),
        rows_by_element_(
            static_cast<double>(offsets.size() - 1) /
            static_cast<double>(std::max<std::int64_t>(offsets.back() - offsets.front(), 1))) {}

  // `element` is below the last offset.
  std::size_t row_of(std::size_t element) {
    const std::int64_t place = first_ + static_cast<std::int64_t>(element);
    if (place < offsets_[row_ + 1]) return row_;
    const auto gap = static_cast<double>(std::max<std::int64_t>(place - offsets_[row_], 0));
    const std::size_t last = offsets_.size() - 2;
    const auto rows = static_cast<std::size_t>(gap * rows_by_element_);
    if (rows < kNearRows) return row_ = next_row(place);
    std::size_t guess = std::min(row_ + rows, last);
    for (std::size_t step = 0; step < kMostSteps; ++step) {
      if (offsets_[guess] > place) {
        --guess;
      } else if (offsets_[guess + 1] <= place) {
        ++guess;
      } else {
        return row_ = guess;
      }
    }
    const auto from = offsets_.begin() + static_cast<std::ptrdiff_t>(row_);
    const auto after = std::upper_bound(from, offsets_.end(), place);
    return row_ = static_cast<std::size_t>(after - offsets_.begin()) - 1;
  }

 private:
  // One row after the other, which the processor reads ahead.
  [[nodiscard]] std::size_t next_row(std::int64_t place) const {
    constexpr std::size_t kStride = 8;
    const std::size_t last = offsets_.size() - 2;
    std::size_t row = row_;
    while (row + kStride <= last && offsets_[row + kStride] <= place) row += kStride;
    while (row < last && offsets_[row + 1] <= place) ++row;
    return row;
  }

  std::span<const std::int64_t> offsets_;
  std::int64_t first_;
  double rows_by_element_;
  std::size_t row_ = 0;
};

}  // namespace

void mark_holding(const ElementValues& values, std::span<const std::int64_t> wanted,
                  std::span<const std::int64_t> offsets, std::span<std::uint8_t> held) {
  std::visit(
      [&](const auto& elements) {
        if (offsets.size() != held.size() + 1 ||
            offsets.back() - offsets.front() != static_cast<std::int64_t>(elements.size())) {
          throw_invalid_argument("offsets: expected one more than rows, over all elements");
        }
        RowWalk walk(offsets);
        each_equal(elements, wanted, [&](std::span<const std::size_t> places) {
          for (const std::size_t element : places) held[walk.row_of(element)] = 1;
        });
      },
      values);
}

void mark_rows_of(const ElementValues& values, std::span<const std::int64_t> wanted,
                  std::span<const std::int64_t> rows, std::span<std::uint8_t> held) {
  std::visit(
      [&](const auto& elements) {
        if (rows.size() != elements.size()) {
          throw_invalid_argument("rows: expected one for each element");
        }
        each_equal(elements, wanted, [&](std::span<const std::size_t> places) {
          for (const std::size_t element : places) {
            const auto row = static_cast<std::size_t>(rows[element]);
            if (row >= held.size()) throw_invalid_argument("rows: an element stands in no row");
            held[row] = 1;
          }
        });
      },
      values);
}

}  // namespace elanus
