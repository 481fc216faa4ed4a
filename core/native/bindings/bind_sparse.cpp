#include "bindings/sealed_arrays.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/module.h"
#include "sparse/growing_postings.h"
#include "sparse/packing.h"

namespace elanus::bindings {
namespace {

using Packed =
    std::tuple<NewArray1<std::uint32_t>, NewArray1<std::uint32_t>, NewArray1<std::uint8_t>>;

Packed pack(const RowIds& offsets, const Array1<RowId>& rows, const Floats& weights,
            std::size_t num_rows, const Coding* coding) {
  PackedTerms terms;
  {
    const Unlocked unlocked(rows.size() * kOperationsPerPosting);
    terms = pack_terms({to_span(offsets), to_span(rows), to_span(weights)}, num_rows,
                       to_coding(coding));
  }
  return {OwnedArray<std::uint32_t>(std::move(terms.entries)).release(),
          OwnedArray<std::uint32_t>(std::move(terms.sizes)).release(),
          OwnedArray<std::uint8_t>(std::move(terms.bytes)).release()};
}

RowId append(GrowingPostings& self, const RowIds& offsets, const Terms& terms,
             const Floats& weights) {
  const SparseBatch batch{to_span(offsets), to_span(terms), to_span(weights)};
  const Unlocked unlocked(terms.size() * kOperationsPerPosting);
  return self.append(batch);
}

Hits search_growing(const GrowingPostings& self, const Terms& terms, const Floats& weights,
                    std::int64_t limit, std::size_t num_rows, const OptionalWords& allowed,
                    const Bm25* bm25) {
  const std::size_t k = to_k(limit);
  const GrowingSearch search{{to_span(terms), to_span(weights)}, to_parameters(bm25), num_rows};
  const std::optional<BitsetView> bits = to_bitset(allowed, num_rows);
  SparseHits hits;
  {
    const Unlocked unlocked(sparse_operations(num_rows, terms.size(), k));
    hits = self.search(search, bits, k);
  }
  return to_hits(std::move(hits));
}

std::size_t search_terms_growing(const GrowingPostings& self, const Numbers& numbers,
                                 const Numbers& counts, std::size_t num_docs, std::size_t num_rows,
                                 const OptionalWords& alive, const OptionalWords& allowed,
                                 const Bm25& bm25, const Output1<std::int64_t>& row_ids,
                                 const Output1<float>& distances) {
  const HitPlaces places{row_ids, distances};
  const CountedTerms query(numbers, counts, num_docs);
  const std::optional<BitsetView> counted = to_bitset(alive, num_rows);
  const std::optional<BitsetView> bits = to_bitset(allowed, num_rows);
  SparseHits hits;
  {
    const Unlocked unlocked(sparse_operations(num_rows, query.terms.size(), places.k()));
    hits = search_weighed(
        query,
        [&](std::span<const TermId> terms, std::span<std::int64_t> out) {
          self.document_frequencies(terms, num_rows, counted, out);
        },
        [&](const SparseQuery& weighed) {
          return self.search({weighed, bm25.parameters(), num_rows}, bits, places.k());
        });
  }
  return places.take(hits);
}

HitTable search_many_growing(const GrowingPostings& self, const RowIds& offsets, const Terms& terms,
                             const Floats& weights, const OptionalFlags& chooses,
                             std::int64_t limit, std::size_t num_rows, const OptionalWords& allowed,
                             const Bm25* bm25, std::size_t threads) {
  const std::optional<BitsetView> bits = to_bitset(allowed, num_rows);
  const std::optional<Bm25Parameters> parameters = to_parameters(bm25);
  const SparseSource source{
      [&](const SparseQuery& query, std::size_t k) {
        return self.search({query, parameters, num_rows}, bits, k);
      },
      [&](const SparseQuery& query, std::span<const std::int64_t> rows, std::span<float> out) {
        self.distances_to_rows({query, parameters, num_rows}, rows, out);
      }};
  return search_queries(source,
                        {to_span(offsets), to_span(terms), to_span(weights), to_span(chooses)},
                        to_k(limit), threads, offsets.size() * num_rows * kOperationsPerRow);
}

NewArray1<float> distances_growing(const GrowingPostings& self, const Terms& terms,
                                   const Floats& weights, const RowIds& row_ids,
                                   std::size_t num_rows, const Bm25* bm25) {
  const GrowingSearch search{{to_span(terms), to_span(weights)}, to_parameters(bm25), num_rows};
  OwnedArray<float> out(row_ids.size());
  {
    const Unlocked unlocked(row_ids.size() * terms.size() * kOperationsPerPosting);
    self.distances_to_rows(search, to_span(row_ids), out.span());
  }
  return out.release();
}

NewArray1<std::int64_t> frequencies_growing(const GrowingPostings& self, const Terms& terms,
                                            std::size_t num_rows, const OptionalWords& alive) {
  const std::optional<BitsetView> bits = to_bitset(alive, num_rows);
  OwnedArray<std::int64_t> out(terms.size());
  {
    const Unlocked unlocked(num_rows * terms.size());
    self.document_frequencies(to_span(terms), num_rows, bits, out.span());
  }
  return out.release();
}

NewArray1<TermId> terms_of_growing(const GrowingPostings& self, std::size_t num_rows) {
  std::vector<TermId> terms;
  {
    const nb::gil_scoped_release unlocked;
    terms = self.terms(num_rows);
  }
  return OwnedArray<TermId>(std::move(terms)).release();
}

std::tuple<NewArray1<std::int64_t>, NewArray1<RowId>, NewArray1<float>> export_growing(
    const GrowingPostings& self, const Terms& terms, std::size_t num_rows) {
  ExportedPostings exported;
  {
    const nb::gil_scoped_release unlocked;
    exported = self.export_postings(to_span(terms), num_rows);
  }
  return {OwnedArray<std::int64_t>(std::move(exported.offsets)).release(),
          OwnedArray<RowId>(std::move(exported.rows)).release(),
          OwnedArray<float>(std::move(exported.weights)).release()};
}

void bind_bm25(nb::module_& module) {
  nb::class_<Bm25>(module, "Bm25", "BM25 parameters and the lengths of the rows.")
      .def(nb::init<double, double, double, Array1<std::uint32_t>>(), nb::arg("k1"), nb::arg("b"),
           nb::arg("average_length"), nb::arg("lengths").noconvert());
}

void bind_sealed(nb::module_& module) {
  nb::class_<Coding>(module, "FrequencyCoding", "How term frequencies are coded.")
      .def(nb::init<double, double, double, Array1<std::uint32_t>>(), nb::arg("k1"), nb::arg("b"),
           nb::arg("average_length"), nb::arg("lengths").noconvert());
  module.attr("POSTINGS_PADDING") = packed::kPaddingBytes;
  module.attr("POSTINGS_UNIT") = packed::kUnitBytes;
  module.def("pack_postings", pack, nb::arg("offsets").noconvert(), nb::arg("rows").noconvert(),
             nb::arg("weights").noconvert(), nb::arg("num_rows"), nb::arg("coding").none(),
             "Entries, sizes in units and bytes of terms in the packed layout.");
  nb::class_<SealedArrays>(module, "SealedPostings", "Postings of a sealed segment.")
      .def(nb::init<Array1<std::uint32_t>, Array1<std::uint32_t>, Array1<std::uint8_t>, std::size_t,
                    const Coding*>(),
           nb::arg("entries").noconvert(), nb::arg("starts").noconvert(),
           nb::arg("data").noconvert(), nb::arg("num_rows"), nb::arg("coding").none())
      .def_prop_ro("num_terms",
                   [](const SealedArrays& self) { return self.postings().num_terms(); })
      .def_prop_ro("num_rows", [](const SealedArrays& self) { return self.postings().num_rows(); })
      .def("search", &SealedArrays::search, nb::arg("terms").noconvert(),
           nb::arg("weights").noconvert(), nb::arg("k"), nb::arg("allowed").noconvert().none(),
           nb::arg("bm25").none(), "Row ids and distances of the k best rows.")
      .def("search_terms", &SealedArrays::search_terms, nb::arg("numbers"), nb::arg("counts"),
           nb::arg("num_docs"), nb::arg("alive").noconvert().none(),
           nb::arg("allowed").noconvert().none(), nb::arg("bm25"), nb::arg("row_ids").noconvert(),
           nb::arg("distances").noconvert(),
           "Weigh terms by these rows and search; return how many rows were found.")
      .def("search_text", &SealedArrays::search_text, nb::arg("numbers"), nb::arg("text"),
           nb::arg("num_docs"), nb::arg("alive").noconvert().none(),
           nb::arg("allowed").noconvert().none(), nb::arg("bm25"), nb::arg("row_ids").noconvert(),
           nb::arg("distances").noconvert(), "The same for the terms of a text.")
      .def("search_many", &SealedArrays::search_many, nb::arg("offsets").noconvert(),
           nb::arg("terms").noconvert(), nb::arg("weights").noconvert(),
           nb::arg("chooses").noconvert().none(), nb::arg("k"),
           nb::arg("allowed").noconvert().none(), nb::arg("bm25").none(), nb::arg("threads"),
           "The same for each query of a batch.")
      .def("distances_to_rows", &SealedArrays::distances, nb::arg("terms").noconvert(),
           nb::arg("weights").noconvert(), nb::arg("row_ids").noconvert(), nb::arg("bm25").none(),
           "Distance of each named row.")
      .def("document_frequencies", &SealedArrays::frequencies, nb::arg("terms").noconvert(),
           nb::arg("alive").noconvert().none(), "Rows that contain each term.")
      .def("unpack", &SealedArrays::unpack, nb::arg("first"), nb::arg("last"),
           "Offsets, rows and weights of the terms in a range.");
}

void bind_growing(nb::module_& module) {
  nb::class_<GrowingPostings>(module, "GrowingPostings", "Postings of rows that still arrive.")
      .def(nb::init<>())
      .def_prop_ro("num_rows", &GrowingPostings::num_rows)
      .def_prop_ro("num_postings", &GrowingPostings::num_postings)
      .def_prop_ro("size_bytes", &GrowingPostings::size_bytes)
      .def("append", append, nb::arg("offsets").noconvert(), nb::arg("terms").noconvert(),
           nb::arg("weights").noconvert(), "Add rows; return the row id of the first.")
      .def("search", search_growing, nb::arg("terms").noconvert(), nb::arg("weights").noconvert(),
           nb::arg("k"), nb::arg("num_rows"), nb::arg("allowed").noconvert().none(),
           nb::arg("bm25").none(), "Row ids and distances of the k best rows.")
      .def("search_terms", search_terms_growing, nb::arg("numbers"), nb::arg("counts"),
           nb::arg("num_docs"), nb::arg("num_rows"), nb::arg("alive").noconvert().none(),
           nb::arg("allowed").noconvert().none(), nb::arg("bm25"), nb::arg("row_ids").noconvert(),
           nb::arg("distances").noconvert(),
           "Weigh terms by these rows and search; return how many rows were found.")
      .def("search_many", search_many_growing, nb::arg("offsets").noconvert(),
           nb::arg("terms").noconvert(), nb::arg("weights").noconvert(),
           nb::arg("chooses").noconvert().none(), nb::arg("k"), nb::arg("num_rows"),
           nb::arg("allowed").noconvert().none(), nb::arg("bm25").none(), nb::arg("threads"),
           "The same for each query of a batch.")
      .def("distances_to_rows", distances_growing, nb::arg("terms").noconvert(),
           nb::arg("weights").noconvert(), nb::arg("row_ids").noconvert(), nb::arg("num_rows"),
           nb::arg("bm25").none(), "Distance of each named row.")
      .def("document_frequencies", frequencies_growing, nb::arg("terms").noconvert(),
           nb::arg("num_rows"), nb::arg("alive").noconvert().none(), "Rows that contain each term.")
      .def("terms", terms_of_growing, nb::arg("num_rows"), "Terms that occur, ascending.")
      .def("export_postings", export_growing, nb::arg("terms").noconvert(), nb::arg("num_rows"),
           "Offsets, rows and weights of these terms.");
}

}  // namespace

void bind_sparse(nb::module_& module) {
  bind_bm25(module);
  bind_sealed(module);
  bind_growing(module);
}

}  // namespace elanus::bindings
