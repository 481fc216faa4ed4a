#include "minhash/bands.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "checksum/hash64.h"
#include "support/error.h"

namespace elanus {
namespace {

using Range = std::pair<std::size_t, std::size_t>;

constexpr std::size_t kLineEntries = 16;

std::span<const std::uint32_t> table_of(const BandTables& tables, std::size_t band) {
  return tables.hashes.subspan(band * tables.num_rows, tables.num_rows);
}

// About where a hash lies behind `place`, which holds `there`: hashes spread evenly.
std::size_t guess(std::size_t num_rows, std::uint32_t hash, std::size_t place,
                  std::uint32_t there) {
  constexpr double kHashes = 4294967296.0;
  const auto last = static_cast<double>(num_rows - 1);
  const double ahead = (static_cast<double>(hash) - static_cast<double>(there)) / kHashes;
  const double guessed = static_cast<double>(place) + ahead * static_cast<double>(num_rows);
  return static_cast<std::size_t>(std::clamp(guessed, 0.0, last));
}

// The first entry that is not below a hash, looked for in growing steps around `start`.
std::size_t lower_entry(std::span<const std::uint32_t> table, std::uint32_t hash,
                        std::size_t start) {
  std::size_t low = start;
  std::size_t high = start;
  std::size_t step = kLineEntries;
  if (table[start] < hash) {
    while (high < table.size() && table[high] < hash) {
      low = high + 1;
      high = std::min(table.size(), high + step);
      step *= 2;
    }
  } else {
    while (low > 0 && table[low] >= hash) {
      high = low;
      low -= std::min(low, step);
      step *= 2;
    }
  }
  const auto found = std::lower_bound(table.begin() + static_cast<std::ptrdiff_t>(low),
                                      table.begin() + static_cast<std::ptrdiff_t>(high), hash);
  return static_cast<std::size_t>(found - table.begin());
}

Range entries_of(const BandTables& tables, std::size_t band, std::uint32_t hash,
                 std::size_t start) {
  const auto table = table_of(tables, band);
  const std::size_t first = lower_entry(table, hash, start);
  std::size_t end = first;
  if (first < table.size() && table[first] == hash) {
    const auto from = table.begin() + static_cast<std::ptrdiff_t>(first);
    end = static_cast<std::size_t>(std::upper_bound(from, table.end(), hash) - table.begin());
  }
  return {band * tables.num_rows + first, band * tables.num_rows + end};
}

// The entries with the hash of the query, of each band. Each table lies in lines of its own, so
// that what is looked at next is asked for in all of them before it is looked at in one.
std::vector<Range> ranges_of(const BandTables& tables, std::span<const std::uint32_t> query) {
  std::vector<Range> ranges(tables.num_bands);
  if (tables.num_rows == 0) return ranges;
  std::vector<std::size_t> places(tables.num_bands);
  for (std::size_t band = 0; band < tables.num_bands; ++band) {
    places[band] = guess(tables.num_rows, query[band], 0, 0);
    __builtin_prefetch(&table_of(tables, band)[places[band]]);
  }
  for (std::size_t band = 0; band < tables.num_bands; ++band) {
    const auto table = table_of(tables, band);
    std::size_t& place = places[band];
    place = guess(tables.num_rows, query[band], place, table[place]);
    __builtin_prefetch(&table[place]);
  }
  for (std::size_t band = 0; band < tables.num_bands; ++band) {
    ranges[band] = entries_of(tables, band, query[band], places[band]);
  }
  return ranges;
}

// Writes the first allowed rows that are not among `met`, which ascends, to out[found] and on, up
// to `least`. Returns how many rows there are then.
std::size_t fill_up(const BandTables& tables, const BandRequest& request,
                    std::span<const std::uint32_t> met, std::size_t found,
                    std::span<std::int64_t> out) {
  const std::size_t least = std::min(out.size(), request.least_rows);
  auto next = met.begin();
  for (std::size_t row = 0; row < tables.num_rows && found < least;) {
    if (request.allowed.has_value()) {
      const std::uint64_t left = request.allowed->word(row / kBitsPerWord) >> (row % kBitsPerWord);
      if (left == 0) {
        row = (row / kBitsPerWord + 1) * kBitsPerWord;
        continue;
      }
      row += static_cast<std::size_t>(std::countr_zero(left));
    }
    while (next != met.end() && *next < row) ++next;
    if (next == met.end() || *next != row) out[found++] = static_cast<std::int64_t>(row);
    ++row;
  }
  return found;
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

std::optional<std::size_t> rows_in_bands(const BandTables& tables, const BandRequest& request,
                                         std::span<std::int64_t> out) {
  std::ranges::fill(out, -1);
  const std::vector<Range> ranges = ranges_of(tables, request.query);
  std::size_t entries = 0;
  for (const auto& [first, last] : ranges) entries += last - first;
  if (entries > request.most_entries) return std::nullopt;
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
  return fill_up(tables, request, met, found, out);
}

}  // namespace elanus
