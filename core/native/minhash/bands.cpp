#include "minhash/bands.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "checksum/hash64.h"
#include "support/error.h"

namespace elanus {
namespace {

using Range = std::pair<std::size_t, std::size_t>;

Range entries_of(const BandTables& tables, std::size_t band, std::uint32_t hash) {
  const auto table = tables.hashes.subspan(band * tables.num_rows, tables.num_rows);
  const auto found = std::ranges::equal_range(table, hash);
  const auto start = static_cast<std::size_t>(found.begin() - table.begin());
  const std::size_t first = band * tables.num_rows + start;
  return {first, first + found.size()};
}

}  // namespace

void band_hashes(std::span<const std::uint8_t> signatures, std::size_t row_bytes,
                 std::size_t band_bytes, std::size_t num_bands, std::span<std::uint32_t> out) {
  if (band_bytes == 0 || num_bands == 0 || num_bands > row_bytes / band_bytes) {
    throw_invalid_argument("bands: expected at least 1 of at least 1 byte in " +
                           std::to_string(row_bytes) + " bytes, got " + std::to_string(num_bands) +
                           " of " + std::to_string(band_bytes));
  }
  const std::size_t num_rows = signatures.size() / row_bytes;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (std::size_t band = 0; band < num_bands; ++band) {
      const auto bytes = signatures.subspan(row * row_bytes + band * band_bytes, band_bytes);
      out[band * num_rows + row] = static_cast<std::uint32_t>(hash64(bytes));
    }
  }
}

bool rows_in_bands(const BandTables& tables, const BandRequest& request,
                   std::span<std::int64_t> out) {
  std::ranges::fill(out, -1);
  std::vector<Range> ranges;
  ranges.reserve(tables.num_bands);
  std::size_t entries = 0;
  for (std::size_t band = 0; band < tables.num_bands; ++band) {
    ranges.push_back(entries_of(tables, band, request.query[band]));
    entries += ranges.back().second - ranges.back().first;
  }
  if (entries > request.most_entries) return false;
  std::vector<std::uint32_t> met;
  met.reserve(entries);
  for (const auto& [first, last] : ranges) {
    for (const std::uint32_t row : tables.row_ids.subspan(first, last - first)) {
      if (row >= tables.num_rows) {
        throw_corruption("bands: row " + std::to_string(row) + " of " +
                         std::to_string(tables.num_rows) + " does not exist");
      }
      if (!request.allowed.has_value() || request.allowed->test(row)) met.push_back(row);
    }
  }
  std::ranges::sort(met);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> counted;  // all bands less those shared, row
  for (std::size_t i = 0; i < met.size();) {
    std::size_t end = i;
    while (end < met.size() && met[end] == met[i]) ++end;
    counted.emplace_back(static_cast<std::uint32_t>(met.size() - (end - i)), met[i]);
    i = end;
  }
  const std::size_t found = std::min(out.size(), counted.size());
  std::ranges::partial_sort(counted, counted.begin() + static_cast<std::ptrdiff_t>(found));
  for (std::size_t i = 0; i < found; ++i) out[i] = counted[i].second;
  return true;
}

}  // namespace elanus
