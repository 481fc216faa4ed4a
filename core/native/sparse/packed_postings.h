// The postings of a sealed segment in the packed layout, as they lie on disk.
//
// Opening reads nothing. Each term's directory is checked when it is used; a number from the arrays
// is never trusted to be inside them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "sparse/exhaustive.h"
#include "sparse/packed_format.h"
#include "sparse/packing.h"
#include "support/bitset.h"
#include "support/types.h"

namespace elanus {

// A container whose bytes are known to be inside the array.
struct PackedContainer {
  packed::ContainerKind kind;
  std::size_t first;  // postings of the term before it
  std::size_t count;
  const std::uint8_t* bytes;

  [[nodiscard]] const std::uint8_t* ids() const noexcept { return bytes; }
  [[nodiscard]] std::uint16_t id(std::size_t i) const noexcept { return load<std::uint16_t>(i); }
  [[nodiscard]] std::uint64_t word(std::size_t i) const noexcept { return load<std::uint64_t>(i); }
  [[nodiscard]] std::size_t rank(std::size_t i) const noexcept {
    const std::size_t at =
        (kind == packed::ContainerKind::bitmap ? packed::kWindowWords * 8 : packed::kWindowRows);
    std::uint16_t value = 0;
    std::memcpy(&value, bytes + at + i * sizeof(value), sizeof(value));
    return value;
  }
  // Of an array or a bitmap: one for each posting. Of a dense container: one for each row.
  [[nodiscard]] const std::uint8_t* codes() const noexcept {
    if (kind == packed::ContainerKind::array) return bytes + count * 2;
    return kind == packed::ContainerKind::bitmap ? bytes + packed::kBitmapBytes : bytes;
  }

 private:
  // Containers lie at any multiple of 2.
  template <typename T>
  [[nodiscard]] T load(std::size_t i) const noexcept {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    return value;
  }
};

// One term, after its lengths were checked.
struct PackedTerm {
  std::size_t frequency = 0;
  bool has_exact_weights = false;
  bool has_tiny_weights = false;
  float largest_weight = 0;  // of exact weights; 0 when they have no codes
  std::span<const packed::WeightException> exceptions;
  const RowId* rows = nullptr;          // of a short list
  const float* weights = nullptr;       // exact ones
  const std::uint8_t* codes = nullptr;  // of a short list
  std::span<const packed::DirectoryEntry> directory;
  const std::uint8_t* start = nullptr;

  [[nodiscard]] bool is_short() const noexcept { return frequency < packed::kShortListRows; }
  [[nodiscard]] PackedContainer container(std::size_t i) const noexcept {
    const packed::DirectoryEntry& entry = directory[i];
    const std::size_t end = i + 1 < directory.size() ? directory[i + 1].first : frequency;
    return {static_cast<packed::ContainerKind>(entry.kind), entry.first, end - entry.first,
            start + std::size_t{entry.place} * 2};
  }
  // At least as large as every code of the term.
  [[nodiscard]] std::uint8_t largest_code() const noexcept;
};

// Where a row is in a term's postings.
struct PostingPlace {
  std::size_t index;
  std::uint8_t code;
};

// Where rows that ascend are looked for in a term: the next one is mostly beside the last one.
struct PostingCursor {
  std::size_t window = packed::kMaxRows;  // of the last row that was looked for
  std::size_t place = 0;                  // of the first posting there that is not before it
};

// Row ids and weights of several terms, end to end.
struct UnpackedPostings {
  std::vector<std::int64_t> offsets;
  std::vector<RowId> rows;
  std::vector<float> weights;
};

class PackedPostings {
 public:
  struct Arrays {
    std::span<const std::uint32_t> entries;  // one for each term
    std::span<const std::uint32_t> starts;   // of the terms, in units of `packed::kUnitBytes`
    std::span<const std::uint8_t> bytes;     // the terms, then `packed::kPaddingBytes`
  };

  // Throws Error when the arrays' lengths do not fit together.
  PackedPostings(const Arrays& arrays, std::size_t num_rows,
                 const std::optional<SealedCoding>& coding);

  [[nodiscard]] std::size_t num_terms() const noexcept { return arrays_.entries.size(); }
  [[nodiscard]] std::size_t num_rows() const noexcept { return num_rows_; }
  [[nodiscard]] const std::optional<SealedCoding>& coding() const noexcept { return coding_; }

  // Throws Error when the term does not exist or its bytes contradict themselves.
  [[nodiscard]] PackedTerm term(TermId id) const;
  [[nodiscard]] std::size_t frequency(TermId id) const;
  // Asks for the first lines of terms, all at once: they lie anywhere. Terms may not exist.
  void prefetch(std::span<const TermId> ids) const noexcept;
  // The same for where a row is looked for in a term.
  static void prefetch(const PackedTerm& term, RowId row) noexcept;

  // Throws Error when the bytes contradict themselves.
  [[nodiscard]] std::optional<PostingPlace> find(const PackedTerm& term, RowId row) const;
  // The same for rows that ascend from one call to the next.
  [[nodiscard]] std::optional<PostingPlace> find(const PackedTerm& term, RowId row,
                                                 PostingCursor& cursor) const;
  [[nodiscard]] float weight(const PackedTerm& term, RowId row, const PostingPlace& place) const;

  // Appends the postings of a term. Throws Error as `term` and `find` do.
  void unpack(const PackedTerm& term, UnpackedPostings& out) const;
  [[nodiscard]] UnpackedPostings unpack(TermId first, TermId last) const;

 private:
  void open_directory(TermId id, PackedTerm& term, const std::uint8_t* end) const;

  Arrays arrays_;
  std::size_t num_rows_;
  std::optional<SealedCoding> coding_;
};

// Writes the document frequency of each term, or how many of its rows are alive.
// Throws Error as `PackedPostings::term` does.
void document_frequencies(const PackedPostings& postings, std::span<const TermId> terms,
                          const std::optional<BitsetView>& alive, std::span<std::int64_t> out);

}  // namespace elanus
