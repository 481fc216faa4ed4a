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
  least_.resize(books.num_subs);
  for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
    const float* table = values.data() + sub * kWords;
    float least = table[0];
    float most = table[0];
    for (std::size_t word = 1; word < kWords; ++word) {
      least = table[word] < least ? table[word] : least;
      most = table[word] > most ? table[word] : most;
    }
    least_[sub] = least;
    base += least;
    widest = std::max(widest, most - least);
    total += most - least;
  }
  // Rounding adds up to one half for each part.
  const float room = kLargestSum - static_cast<float>(books.num_subs);
  scale = std::max(widest / kLargestEntry, total / room);
  const float inverse = 1.0F / scale;
  if (!std::isfinite(total) || !std::isfinite(inverse)) {
    scale = 0;
    return;
  }
  for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
    const float* table = values.data() + sub * kWords;
    for (std::size_t word = 0; word < kWords; ++word) {
      // Finite and at least 0: rounded by truncation, which every processor does many at a time.
      const float entry = (table[word] - least_[sub]) * inverse + 0.5F;
      bytes[sub * kWords + word] =
          static_cast<std::uint8_t>(static_cast<std::int32_t>(std::min(entry, kLargestEntry)));
    }
  }
}

}  // namespace elanus
