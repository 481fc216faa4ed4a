// Sealed postings as Python holds them, and what searches of postings share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/counted_terms.h"
#include "bindings/unlocked.h"
#include "sparse/batch_search.h"
#include "sparse/packed_postings.h"
#include "sparse/postings.h"
#include "sparse/scoring.h"
#include "sparse/windowed_search.h"
#include "support/error.h"

namespace elanus::bindings {

using Terms = Array1<TermId>;
using Floats = Array1<float>;
using RowIds = Array1<std::int64_t>;
using OptionalFlags = std::optional<Array1<std::uint8_t>>;
template <typename T>
using Output1 = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = std::vector<std::int64_t>;
using Hits = std::pair<NewArray1<std::int64_t>, NewArray1<float>>;
using HitTable = std::pair<NewArray2<std::int64_t>, NewArray2<float>>;

// BM25 parameters together with the array of lengths that they refer to.
class Bm25 {
 public:
  Bm25(double k1, double b, double average_length, Array1<std::uint32_t> lengths)
      : lengths_(std::move(lengths)),
        parameters_{static_cast<float>(k1), static_cast<float>(b), average_length,
                    to_span(lengths_)} {}

  [[nodiscard]] const Bm25Parameters& parameters() const noexcept { return parameters_; }

 private:
  Array1<std::uint32_t> lengths_;
  Bm25Parameters parameters_;
};

inline std::optional<Bm25Parameters> to_parameters(const Bm25* bm25) {
  return bm25 == nullptr ? std::nullopt : std::optional(bm25->parameters());
}

inline Hits to_hits(SparseHits&& hits) {
  return {OwnedArray<std::int64_t>(std::move(hits.row_ids)).release(),
          OwnedArray<float>(std::move(hits.distances)).release()};
}

// Where the hits of one query go.
struct HitPlaces {
  const Output1<std::int64_t>& row_ids;
  const Output1<float>& distances;

  [[nodiscard]] std::size_t k() const {
    if (row_ids.size() != distances.size() || row_ids.size() == 0) {
      throw_invalid_argument("search: expected places for at least one row");
    }
    return row_ids.size();
  }

  // Returns how many were found.
  std::size_t take(const SparseHits& hits) const {
    std::copy(hits.row_ids.begin(), hits.row_ids.end(), row_ids.data());
    std::copy(hits.distances.begin(), hits.distances.end(), distances.data());
    return hits.row_ids.size();
  }
};

// Weighs the terms by the rows that `count_rows(terms, out)` counts, and returns what
// `find(query)` finds with these weights.
template <typename CountRows, typename Find>
SparseHits search_weighed(const CountedTerms& query, const CountRows& count_rows,
                          const Find& find) {
  if (query.terms.empty()) return {};
  std::vector<std::int64_t> frequencies(query.terms.size());
  count_rows(query.terms, frequencies);
  std::vector<float> weights;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    weights.push_back(bm25_weight(query.num_docs, frequencies[i], query.counts[i]));
  }
  return find(SparseQuery{query.terms, weights});
}

// `operations`: of all queries, as those of `Unlocked`.
inline HitTable search_queries(const SparseSource& source, const QueryBatch& batch, std::size_t k,
                               std::size_t threads, std::size_t operations) {
  const std::size_t num_queries = batch.offsets.empty() ? 0 : batch.num_queries();
  OwnedArray<std::int64_t> row_ids(num_queries * k);
  OwnedArray<float> distances(num_queries * k);
  {
    const Unlocked unlocked(operations);
    search_batch(source, batch, k, threads_for(operations, threads),
                 {row_ids.span(), distances.span()});
  }
  return {row_ids.release(num_queries, k), distances.release(num_queries, k)};
}

// How term frequencies were coded, together with the array of lengths that it refers to.
class Coding {
 public:
  Coding(double k1, double b, double average_length, Array1<std::uint32_t> lengths)
      : lengths_(std::move(lengths)),
        coding_{packed::FrequencyCoding(k1, b, average_length), to_span(lengths_)} {}

  [[nodiscard]] const SealedCoding& coding() const noexcept { return coding_; }

 private:
  Array1<std::uint32_t> lengths_;
  SealedCoding coding_;
};

inline std::optional<SealedCoding> to_coding(const Coding* coding) {
  return coding == nullptr ? std::nullopt : std::optional(coding->coding());
}

// Sealed postings together with the arrays that they refer to.
class SealedArrays {
 public:
  SealedArrays(Array1<std::uint32_t> entries, Array1<std::uint32_t> starts,
               Array1<std::uint8_t> bytes, std::size_t num_rows, const Coding* coding)
      : entries_(std::move(entries)),
        starts_(std::move(starts)),
        bytes_(std::move(bytes)),
        coding_(coding == nullptr ? std::nullopt : std::optional(*coding)),
        postings_({to_span(entries_), to_span(starts_), to_span(bytes_)}, num_rows,
                  coding_.has_value() ? std::optional(coding_->coding()) : std::nullopt) {}

  [[nodiscard]] const PackedPostings& postings() const noexcept { return postings_; }

  Hits search(const Terms& terms, const Floats& weights, std::int64_t limit,
              const OptionalWords& allowed, const Bm25* bm25) const {
    const std::size_t k = to_k(limit);
    const PackedRequest request{postings_, {to_span(terms), to_span(weights)}, to_parameters(bm25)};
    const std::optional<BitsetView> bits = to_bitset(allowed, postings_.num_rows());
    SparseHits hits;
    {
      const Unlocked unlocked(sparse_operations(postings_.num_rows(), terms.size(), k));
      hits = search_windows(request, {bits}, k);
    }
    return to_hits(std::move(hits));
  }

  std::size_t search_terms(const Numbers& numbers, const Numbers& counts, std::size_t num_docs,
                           const OptionalWords& alive, const OptionalWords& allowed,
                           const Bm25& bm25, const Output1<std::int64_t>& row_ids,
                           const Output1<float>& distances) const {
    return search_counted(CountedTerms(numbers, counts, num_docs), alive, allowed, bm25,
                          {row_ids, distances});
  }

  std::size_t search_text(QueryNumbers& numbers, const nb::str& text, std::size_t num_docs,
                          const OptionalWords& alive, const OptionalWords& allowed,
                          const Bm25& bm25, const Output1<std::int64_t>& row_ids,
                          const Output1<float>& distances) const {
    return search_counted(count_terms(numbers, text, num_docs), alive, allowed, bm25,
                          {row_ids, distances});
  }

  HitTable search_many(const RowIds& offsets, const Terms& terms, const Floats& weights,
                       const OptionalFlags& chooses, std::int64_t limit,
                       const OptionalWords& allowed, const Bm25* bm25, std::size_t threads) const {
    const std::optional<BitsetView> bits = to_bitset(allowed, postings_.num_rows());
    const std::optional<Bm25Parameters> parameters = to_parameters(bm25);
    const SparseSource source{
        [&](const SparseQuery& query, std::size_t k) {
          return search_windows({postings_, query, parameters}, {bits}, k);
        },
        [&](const SparseQuery& query, std::span<const std::int64_t> rows, std::span<float> out) {
          distances_to_packed_rows({postings_, query, parameters}, rows, out);
        }};
    return search_queries(
        source, {to_span(offsets), to_span(terms), to_span(weights), to_span(chooses)}, to_k(limit),
        threads, offsets.size() * postings_.num_rows() * kOperationsPerRow);
  }

  // The k best rows for terms that are weighed by the rows that count. Needs no GIL.
  [[nodiscard]] SparseHits best_rows(const CountedTerms& query,
                                     const std::optional<BitsetView>& counted,
                                     const AllowedRows& allowed, const Bm25Parameters& bm25,
                                     std::size_t k) const {
    return search_weighed(
        query,
        [&](std::span<const TermId> terms, std::span<std::int64_t> out) {
          document_frequencies(postings_, terms, counted, out);
        },
        [&](const SparseQuery& weighed) {
          return search_windows({postings_, weighed, bm25}, allowed, k);
        });
  }

  NewArray1<float> distances(const Terms& terms, const Floats& weights, const RowIds& row_ids,
                             const Bm25* bm25) const {
    const PackedRequest request{postings_, {to_span(terms), to_span(weights)}, to_parameters(bm25)};
    OwnedArray<float> out(row_ids.size());
    {
      const Unlocked unlocked(row_ids.size() * terms.size() * kOperationsPerPosting);
      distances_to_packed_rows(request, to_span(row_ids), out.span());
    }
    return out.release();
  }

  NewArray1<std::int64_t> frequencies(const Terms& terms, const OptionalWords& alive) const {
    const std::optional<BitsetView> bits = to_bitset(alive, postings_.num_rows());
    OwnedArray<std::int64_t> out(terms.size());
    {
      const Unlocked unlocked(bits.has_value() ? postings_.num_rows() * terms.size() : 0);
      document_frequencies(postings_, to_span(terms), bits, out.span());
    }
    return out.release();
  }

  std::tuple<NewArray1<std::int64_t>, NewArray1<RowId>, NewArray1<float>> unpack(
      TermId first, TermId last) const {
    UnpackedPostings unpacked;
    {
      const nb::gil_scoped_release unlocked;
      unpacked = postings_.unpack(first, last);
    }
    return {OwnedArray<std::int64_t>(std::move(unpacked.offsets)).release(),
            OwnedArray<RowId>(std::move(unpacked.rows)).release(),
            OwnedArray<float>(std::move(unpacked.weights)).release()};
  }

 private:
  std::size_t search_counted(const CountedTerms& query, const OptionalWords& alive,
                             const OptionalWords& allowed, const Bm25& bm25,
                             const HitPlaces& places) const {
    const std::optional<BitsetView> counted = to_bitset(alive, postings_.num_rows());
    const std::optional<BitsetView> bits = to_bitset(allowed, postings_.num_rows());
    SparseHits hits;
    {
      const Unlocked unlocked(
          sparse_operations(postings_.num_rows(), query.terms.size(), places.k()));
      hits = best_rows(query, counted, {bits}, bm25.parameters(), places.k());
    }
    return places.take(hits);
  }

  Array1<std::uint32_t> entries_;
  Array1<std::uint32_t> starts_;
  Array1<std::uint8_t> bytes_;
  std::optional<Coding> coding_;
  PackedPostings postings_;
};

}  // namespace elanus::bindings
