#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "minhash/bands.h"
#include "minhash/shingles.h"
#include "minhash/signatures.h"
#include "support/cancel.h"

namespace elanus::bindings {
namespace {

NewArray2<std::uint32_t> signatures_of(const Array1<std::uint32_t>& members,
                                       const Array1<std::int64_t>& offsets,
                                       const Array1<std::uint32_t>& masks,
                                       const Array1<std::uint32_t>& multipliers) {
  const std::size_t count = offsets.size() == 0 ? 0 : offsets.size() - 1;
  OwnedArray<std::uint32_t> signatures(count * masks.size());
  {
    const Unlocked unlocked(members.size() * masks.size());
    minhash_signatures(to_span(members), to_span(offsets), {to_span(masks), to_span(multipliers)},
                       signatures.span());
  }
  return signatures.release(count, masks.size());
}

std::pair<NewArray1<std::uint32_t>, NewArray1<std::int64_t>> shingles_of(
    const Array1<std::uint64_t>& numbers, const Array1<std::int64_t>& lengths, std::size_t size) {
  OwnedArray<std::int64_t> offsets(lengths.size() + 1);
  shingle_offsets(to_span(lengths), numbers.size(), size, offsets.span());
  OwnedArray<std::uint32_t> members(static_cast<std::size_t>(offsets.span().back()));
  {
    const Unlocked unlocked(members.span().size() * size);
    shingles(to_span(numbers), to_span(lengths), size, members.span());
  }
  return {members.release(), offsets.release()};
}

NewArray2<std::uint32_t> band_hashes_of(const Array2<std::uint8_t>& signatures,
                                        std::size_t band_bytes, std::size_t num_bands) {
  const std::size_t count = signatures.shape(0);
  OwnedArray<std::uint32_t> hashes(num_bands * count);
  {
    const Unlocked unlocked(signatures.size());
    band_hashes({signatures.data(), signatures.size()}, signatures.shape(1), band_bytes, num_bands,
                hashes.span());
  }
  return hashes.release(num_bands, count);
}

std::pair<NewArray2<std::int64_t>, std::vector<std::int64_t>> rows_in_bands_of(
    const Array2<std::uint32_t>& queries, const Array2<std::uint32_t>& hashes,
    const Array2<std::uint32_t>& row_ids, const OptionalWords& allowed, std::int64_t limit,
    std::size_t most_entries, std::size_t least_rows) {
  const std::size_t k = to_k(limit);
  const BandTables tables{{hashes.data(), hashes.size()},
                          {row_ids.data(), row_ids.size()},
                          hashes.shape(0),
                          hashes.shape(1)};
  if (queries.shape(1) != tables.num_bands || row_ids.shape(0) != tables.num_bands ||
      row_ids.shape(1) != tables.num_rows) {
    throw_invalid_argument("bands: queries, hashes and row_ids differ in shape");
  }
  const auto bits = to_bitset(allowed, tables.num_rows);
  const std::size_t num_queries = queries.shape(0);
  OwnedArray<std::int64_t> found(num_queries * k);
  std::vector<std::int64_t> counts(num_queries);
  {
    const Unlocked unlocked(num_queries * tables.num_bands * kOperationsPerRow);
    CancelPoint point;
    for (std::size_t q = 0; q < num_queries; ++q) {
      const auto query = to_matrix(queries).values.subspan(q * tables.num_bands, tables.num_bands);
      const BandRequest request{query, bits, most_entries, least_rows};
      const auto count = rows_in_bands(tables, request, found.span().subspan(q * k, k));
      counts[q] = count.has_value() ? static_cast<std::int64_t>(*count) : -1;
      point.passed(tables.num_bands * kOperationsPerRow);
    }
  }
  return {found.release(num_queries, k), std::move(counts)};
}

}  // namespace

void bind_minhash(nb::module_& module) {
  module.def("minhash_signatures", signatures_of, nb::arg("members").noconvert(),
             nb::arg("offsets").noconvert(), nb::arg("masks").noconvert(),
             nb::arg("multipliers").noconvert(), "MinHash signatures of sets of numbers.");
  module.def("band_hashes", band_hashes_of, nb::arg("signatures").noconvert(),
             nb::arg("band_bytes"), nb::arg("num_bands"),
             "Hash of each band (rows of the result) of each signature.");
  module.def("rows_in_bands", rows_in_bands_of, nb::arg("queries").noconvert(),
             nb::arg("hashes").noconvert(), nb::arg("row_ids").noconvert(),
             nb::arg("allowed").noconvert().none(), nb::arg("k"), nb::arg("most_entries"),
             nb::arg("least_rows"),
             "Rows that share most bands with each query, the first others up to as many as are "
             "wanted, and how many they are; -1 where too many share one.");
  module.def("shingles", shingles_of, nb::arg("numbers").noconvert(),
             nb::arg("lengths").noconvert(), nb::arg("size"),
             "Members of the set of shingles of each text, and where each set begins.");
}

}  // namespace elanus::bindings
