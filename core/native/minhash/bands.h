// Which rows have a band of their signature in common with a query?
//
// A signature is cut into bands; rows whose band has the same hash lie together in the table of
// that band. Two signatures of sets with the Jaccard similarity s share at least one of b bands of
// r elements with the probability 1 - (1 - s^r)^b.
//
// Source: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

// Writes the lower half of the XXH64 of each band: that of band b of row i to out[b * n + i].
// What is left of a signature after the last band counts for nothing.
// Throws Error when the bands do not fit a row.
void band_hashes(std::span<const std::uint8_t> signatures, std::size_t row_bytes,
                 std::size_t band_bytes, std::size_t num_bands, std::span<std::uint32_t> out);

// For each band the hashes of all rows, ascending, and which row each is of.
struct BandTables {
  std::span<const std::uint32_t> hashes;   // num_bands * num_rows
  std::span<const std::uint32_t> row_ids;  // as many
  std::size_t num_bands = 0;
  std::size_t num_rows = 0;
};

// What one query met.
struct BandRequest {
  std::span<const std::uint32_t> query;  // hash of each band
  std::optional<BitsetView> allowed;
  std::size_t most_entries;    // entries of the tables that are read at most
  std::size_t least_rows = 0;  // where fewer share a band, the first others follow them
};

// Writes the allowed rows that share bands with the query, those that share most first, equals in
// the order of their row ids; then the first others up to `least_rows`, and -1 in missing places.
// Returns how many rows they are; none, and -1 everywhere, when more entries would have to be read
// than may be: rows then share bands with half of the others.
// Throws Error (corruption) when a table names a row that does not exist.
[[nodiscard]] std::optional<std::size_t> rows_in_bands(const BandTables& tables,
                                                       const BandRequest& request,
                                                       std::span<std::int64_t> out);

}  // namespace elanus
