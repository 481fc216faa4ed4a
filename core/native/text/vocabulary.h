// Terms numbered in order of first appearance. It only grows: one thread adds, any number look up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "support/types.h"
#include "text/byte_string_map.h"
#include "text/utf8.h"

namespace elanus {

// Strings end to end: string i is data[offsets[i], offsets[i + 1]).
struct StringList {
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::uint8_t> data;
};

class Vocabulary {
 public:
  // The number of a term; gives it the next one if it is new. Throws Error past 2^31 - 1 terms.
  // Whatever it throws, also without memory, no term was added.
  TermId add(Utf8 term);

  // Hints to the thread that adds that it is about to add this term.
  void prefetch(Utf8 term) const noexcept { numbers_.prefetch(numbers_.key(term)); }

  [[nodiscard]] std::optional<TermId> find(Utf8 term) const;
  // Throws Error when no term has this number.
  [[nodiscard]] std::string term(TermId number) const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t size_bytes() const;

  // The given terms in ascending order of bytes: order[i] is the place in `numbers` of the i-th.
  // Throws Error when a number has no term.
  struct Sorted {
    std::vector<std::int64_t> order;
    StringList terms;
  };
  [[nodiscard]] Sorted sorted(std::span<const TermId> numbers) const;

 private:
  [[nodiscard]] Utf8 stored(std::size_t number) const noexcept;
  void check(TermId number) const;

  mutable std::shared_mutex mutex_;  // guards all below
  ByteStringMap numbers_;
  StringList terms_;
};

}  // namespace elanus
