#include "ivf/query_codes.h"

#include <algorithm>
#include <cmath>

#include "ivf/ivf_kernels.h"

namespace elanus {
namespace {

constexpr float kLargestByte = 127.0F;
constexpr float kLargestEntry = 255.0F;
constexpr float kLargestSum = 65535.0F;  // what 16 bits hold

}  // namespace

void ByteQuery::set(std::span<const float> query) {
  const std::size_t stride = (query.size() + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
  bytes.assign(stride, 0);
  words.assign(stride, 0);
  sum = 0;
  float peak = 0;
  for (const float value : query) peak = std::max(peak, std::abs(value));
  scale = peak / kLargestByte;
  const float inverse = 1.0F / scale;
  if (!std::isfinite(peak) || !std::isfinite(inverse)) {
    scale = 0;
    return;
  }
  for (std::size_t d = 0; d < query.size(); ++d) {
    const float scaled = std::clamp(query[d] * inverse, -kLargestByte, kLargestByte);
    const auto rounded = static_cast<std::int16_t>(std::isnan(scaled) ? 0 : std::lrint(scaled));
    bytes[d] = static_cast<std::int8_t>(rounded);
    words[d] = rounded;
    sum += rounded;
  }
}

void ProductTables::set(std::span<const float> query, const Codebooks& books, float weight) {
  const std::size_t words = std::size_t{1} << books.bits;
  padded_.assign(books.num_subs * books.sub_dim, 0.0F);
  for (std::size_t d = 0; d < query.size(); ++d) padded_[d] = -weight * query[d];
  values.resize(books.num_subs * words);
  for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
    const float* panels = books.panels.data() + sub * words * books.sub_dim;
    ivf_kernels().inner_products({padded_.data() + sub * books.sub_dim, books.sub_dim, 1,
                                  books.sub_dim, panels, words / kPanelWidth},
                                 values.data() + sub * words);
  }
  if (books.bits == 4) quantize(books);
}

void ProductTables::quantize(const Codebooks& books) {
  constexpr std::size_t kWords = 16;
  bytes.assign(padded_subs(books) * kWords, 0);
  base = 0;
  float widest = 0;
  float total = 0;
  for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
    const auto table = std::span(values).subspan(sub * kWords, kWords);
    const auto [least, most] = std::minmax_element(table.begin(), table.end());
    base += *least;
    widest = std::max(widest, *most - *least);
    total += *most - *least;
  }
  // Rounding adds up to one half for each part.
  const float room = kLargestSum - static_cast<float>(books.num_subs);
  scale = std::max(widest / kLargestEntry, total / room);
  const float inverse = 1.0F / scale;
  if (!std::isfinite(scale) || !std::isfinite(inverse)) {
    scale = 0;
    return;
  }
  for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
    const auto table = std::span(values).subspan(sub * kWords, kWords);
    const float least = *std::min_element(table.begin(), table.end());
    for (std::size_t word = 0; word < kWords; ++word) {
      const float entry = std::clamp((table[word] - least) * inverse, 0.0F, kLargestEntry);
      bytes[sub * kWords + word] =
          static_cast<std::uint8_t>(std::isnan(entry) ? 0 : std::lrint(entry));
    }
  }
}

}  // namespace elanus
