#include "text/texts.h"

#include <algorithm>

#include "support/error.h"

namespace elanus {

Texts::Texts(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> data)
    : offsets_(offsets), data_(data) {
  if (offsets.empty()) throw_invalid_argument("offsets: expected at least 1");
  // Without a branch: there are as many offsets as texts, and hardly ever a wrong one.
  bool ascends = offsets.front() >= 0;
  for (std::size_t i = 1; i < offsets.size(); ++i) ascends &= offsets[i - 1] <= offsets[i];
  if (!ascends || static_cast<std::uint64_t>(offsets.back()) > data.size()) {
    throw_invalid_argument("offsets: expected ascending places in the data");
  }
}

std::size_t part_at(std::span<const std::int64_t> offsets, std::size_t first,
                    std::size_t place) noexcept {
  // Further and further, because the part is mostly near; then between the last two.
  const auto wanted = static_cast<std::int64_t>(place);
  const std::size_t last = offsets.size() - 1;
  std::size_t low = first;
  std::size_t step = 1;
  while (low + step < last && offsets[low + step] <= wanted) {
    low += step;
    step *= 2;
  }
  const auto from = offsets.begin() + static_cast<std::ptrdiff_t>(low) + 1;
  const auto to = offsets.begin() + static_cast<std::ptrdiff_t>(std::min(low + step, last));
  return static_cast<std::size_t>(std::upper_bound(from, to, wanted) - offsets.begin()) - 1;
}

}  // namespace elanus
