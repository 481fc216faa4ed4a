#include "ivf/codes.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ivf/ivf_kernels.h"
#include "support/error.h"

namespace elanus {
namespace {

constexpr int kZeroCode = 128;

void check_slots(const ResidualRows& source, const Slots& slots) {
  check_centred(source.rows);
  const std::size_t dim = source.rows.rows.matrix.dim;
  if (slots.lists.size() != slots.row_ids.size()) {
    throw_invalid_argument("lists: expected one for each of " +
                           std::to_string(slots.row_ids.size()) + " slots, got " +
                           std::to_string(slots.lists.size()));
  }
  const std::size_t num_lists = source.centroids.size() / dim;
  for (std::size_t i = 0; i < slots.row_ids.size(); ++i) {
    const bool is_row =
        slots.row_ids[i] == kNoRow || slots.row_ids[i] < source.rows.rows.matrix.num_rows;
    if (!is_row || slots.lists[i] >= num_lists) {
      throw_invalid_argument("slots: row " + std::to_string(slots.row_ids[i]) + " of list " +
                             std::to_string(slots.lists[i]) + " is outside");
    }
  }
}

void check_size(const char* name, std::size_t expected, std::size_t got) {
  if (expected != got) {
    throw_invalid_argument(std::string(name) + ": expected " + std::to_string(expected) +
                           " values, got " + std::to_string(got));
  }
}

// Writes the residual of a slot; zeros for a slot without a row.
void residual(const ResidualRows& source, const Slots& slots, std::size_t slot,
              std::span<float> out) {
  const std::size_t dim = source.rows.rows.matrix.dim;
  if (slots.row_ids[slot] == kNoRow) {
    std::fill(out.begin(), out.end(), 0.0F);
    return;
  }
  centre_row(source.rows, slots.row_ids[slot], out.first(dim));
  const std::span<const float> centroid = source.centroids.subspan(slots.lists[slot] * dim, dim);
  for (std::size_t d = 0; d < dim; ++d) out[d] -= centroid[d];
}

std::uint8_t scalar_code(float value, float inverse_step) {
  const float scaled = value * inverse_step;
  // Not a number, or out of range: the nearest code there is.
  if (!(scaled > -kZeroCode)) return 0;
  if (scaled > 127.0F) return 255;
  return static_cast<std::uint8_t>(std::lrint(scaled) + kZeroCode);
}

// Codes of one part of a block of 32 rows, from one label a row.
void pack(std::span<const std::uint32_t> labels, std::size_t bits, std::span<std::uint8_t> codes) {
  constexpr std::size_t kHalf = kCodeBlockRows / 2;
  if (bits == 8) {
    for (std::size_t i = 0; i < kCodeBlockRows; ++i) {
      codes[i] = static_cast<std::uint8_t>(labels[i]);
    }
    return;
  }
  for (std::size_t i = 0; i < kHalf; ++i) {
    codes[i] = static_cast<std::uint8_t>(labels[i] | (labels[i + kHalf] << 4));
  }
}

}  // namespace

void residual_peaks(const ResidualRows& source, const Slots& slots, std::span<float> peaks) {
  check_slots(source, slots);
  check_size("peaks", slots.row_ids.size(), peaks.size());
  std::vector<float> values(source.rows.rows.matrix.dim);
  for (std::size_t slot = 0; slot < slots.row_ids.size(); ++slot) {
    residual(source, slots, slot, values);
    float peak = 0;
    for (const float value : values) peak = std::max(peak, std::abs(value));
    peaks[slot] = peak;
  }
}

void encode_scalar(const ResidualRows& source, const Slots& slots, std::span<const float> steps,
                   std::span<std::uint8_t> codes, std::span<float> terms) {
  check_slots(source, slots);
  const std::size_t dim = source.rows.rows.matrix.dim;
  const std::size_t stride = (dim + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
  check_size("steps", source.centroids.size() / dim, steps.size());
  check_size("codes", slots.row_ids.size() * stride, codes.size());
  check_size("terms", slots.row_ids.size(), terms.size());
  std::vector<float> values(dim);
  for (std::size_t slot = 0; slot < slots.row_ids.size(); ++slot) {
    residual(source, slots, slot, values);
    const std::uint32_t list = slots.lists[slot];
    const float step = steps[list];
    const float inverse = step > 0 ? 1.0F / step : 0.0F;
    const std::span<std::uint8_t> code = codes.subspan(slot * stride, stride);
    const std::span<const float> centroid = source.centroids.subspan(list * dim, dim);
    float term = 0;
    for (std::size_t d = 0; d < dim; ++d) {
      code[d] = scalar_code(values[d], inverse);
      const float decoded = step * static_cast<float>(code[d] - kZeroCode);
      term += decoded * (decoded + 2.0F * centroid[d]);
    }
    std::fill(code.begin() + static_cast<std::ptrdiff_t>(dim), code.end(),
              static_cast<std::uint8_t>(kZeroCode));
    terms[slot] = term;
  }
}

std::size_t padded_subs(const Codebooks& books) noexcept {
  const std::size_t group = books.bits == 4 ? kSubGroup : 1;
  return (books.num_subs + group - 1) / group * group;
}

void check_codebooks(const Codebooks& books, std::size_t dim) {
  if ((books.bits != 4 && books.bits != 8) || books.num_subs == 0 || books.sub_dim == 0 ||
      books.num_subs > dim || books.sub_dim > dim || books.num_subs * books.sub_dim < dim) {
    throw_invalid_argument("codebooks: " + std::to_string(books.num_subs) + " parts of " +
                           std::to_string(books.sub_dim) + " dimensions with " +
                           std::to_string(books.bits) + " bits do not cover " +
                           std::to_string(dim) + " dimensions");
  }
  const std::size_t words = books.num_subs << books.bits;
  check_size("half_norms", words, books.half_norms.size());
  check_size("codebooks", words * books.sub_dim, books.panels.size());
}

void encode_product(const ResidualRows& source, const Slots& slots, const Codebooks& books,
                    std::span<std::uint8_t> codes, std::span<float> terms) {
  check_slots(source, slots);
  const std::size_t dim = source.rows.rows.matrix.dim;
  check_codebooks(books, dim);
  const std::size_t count = slots.row_ids.size();
  const std::size_t block_bytes = padded_subs(books) * kCodeBlockRows * books.bits / 8;
  if (count % kCodeBlockRows != 0) {
    throw_invalid_argument("slots: expected a multiple of 32, got " + std::to_string(count));
  }
  check_size("codes", count / kCodeBlockRows * block_bytes, codes.size());
  check_size("terms", count, terms.size());
  const std::size_t words = std::size_t{1} << books.bits;
  const std::size_t padded_dim = books.num_subs * books.sub_dim;
  std::vector<float> values(kCodeBlockRows * padded_dim);
  std::vector<float> keys(kCodeBlockRows);
  std::vector<std::uint32_t> labels(kCodeBlockRows);
  std::fill(codes.begin(), codes.end(), std::uint8_t{0});
  for (std::size_t first = 0; first < count; first += kCodeBlockRows) {
    for (std::size_t r = 0; r < kCodeBlockRows; ++r) {
      residual(source, slots, first + r, std::span(values).subspan(r * padded_dim, padded_dim));
      terms[first + r] = 0;
    }
    std::span<std::uint8_t> block = codes.subspan(first / kCodeBlockRows * block_bytes);
    for (std::size_t sub = 0; sub < books.num_subs; ++sub) {
      const float* panels = books.panels.data() + sub * words * books.sub_dim;
      ivf_kernels().nearest({values.data() + sub * books.sub_dim, padded_dim, kCodeBlockRows,
                             books.sub_dim, panels, words / kPanelWidth},
                            books.half_norms.data() + sub * words, labels.data(), keys.data());
      pack(labels, books.bits, block.subspan(sub * kCodeBlockRows * books.bits / 8));
      for (std::size_t r = 0; r < kCodeBlockRows; ++r) {
        const float* word = panels + labels[r] / kPanelWidth * books.sub_dim * kPanelWidth +
                            labels[r] % kPanelWidth;
        const std::size_t start = slots.lists[first + r] * dim;
        for (std::size_t d = 0; d < books.sub_dim && sub * books.sub_dim + d < dim; ++d) {
          const float decoded = word[d * kPanelWidth];
          const float centroid = source.centroids[start + sub * books.sub_dim + d];
          terms[first + r] += decoded * (decoded + 2.0F * centroid);
        }
      }
    }
  }
}

}  // namespace elanus
