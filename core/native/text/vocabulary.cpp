#include "text/vocabulary.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>

#include "support/error.h"
#include "support/reserve.h"

namespace elanus {
namespace {

// The first eight bytes as a number that sorts as they do.
std::uint64_t prefix_of(Utf8 term) noexcept {
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | (i < term.size() ? term[i] : 0U);
  return prefix;
}

struct SortKey {
  std::uint64_t prefix;
  std::uint32_t place;
};

}  // namespace

TermId Vocabulary::add(Utf8 term) {
  // Only this thread changes the map, so it may look without the lock.
  const ByteStringMap::Key key = numbers_.key(term);
  if (const std::int32_t* known = numbers_.find(key)) return static_cast<TermId>(*known);
  const std::size_t number = terms_.offsets.size() - 1;
  if (number >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw_invalid_argument("vocabulary: expected fewer than 2**31 terms");
  }
  const std::unique_lock lock(mutex_);
  // All memory first: where there is none, nothing has changed.
  reserve_more(terms_.data, term.size());
  reserve_more(terms_.offsets, 1);
  numbers_.insert(key, static_cast<std::int32_t>(number));
  terms_.data.insert(terms_.data.end(), term.begin(), term.end());
  terms_.offsets.push_back(static_cast<std::int64_t>(terms_.data.size()));
  return static_cast<TermId>(number);
}

std::optional<TermId> Vocabulary::find(Utf8 term) const {
  const std::shared_lock lock(mutex_);
  const std::int32_t* known = numbers_.find(numbers_.key(term));
  return known == nullptr ? std::nullopt : std::optional(static_cast<TermId>(*known));
}

std::string Vocabulary::term(TermId number) const {
  const std::shared_lock lock(mutex_);
  check(number);
  const Utf8 bytes = stored(number);
  return {bytes.begin(), bytes.end()};
}

std::size_t Vocabulary::size() const {
  const std::shared_lock lock(mutex_);
  return terms_.offsets.size() - 1;
}

std::size_t Vocabulary::size_bytes() const {
  const std::shared_lock lock(mutex_);
  return numbers_.size_bytes() + terms_.data.capacity() +
         terms_.offsets.capacity() * sizeof(std::int64_t);
}

void Vocabulary::check(TermId number) const {
  if (number >= terms_.offsets.size() - 1) {
    throw_invalid_argument("term: expected a number below " +
                           std::to_string(terms_.offsets.size() - 1) + ", got " +
                           std::to_string(number));
  }
}

Utf8 Vocabulary::stored(std::size_t number) const noexcept {
  const auto begin = static_cast<std::size_t>(terms_.offsets[number]);
  const auto end = static_cast<std::size_t>(terms_.offsets[number + 1]);
  return Utf8(terms_.data).subspan(begin, end - begin);
}

Vocabulary::Sorted Vocabulary::sorted(std::span<const TermId> numbers) const {
  const std::shared_lock lock(mutex_);
  std::vector<SortKey> keys;
  keys.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    check(numbers[i]);
    keys.push_back({prefix_of(stored(numbers[i])), static_cast<std::uint32_t>(i)});
  }
  std::sort(keys.begin(), keys.end(), [&](const SortKey& a, const SortKey& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const Utf8 left = stored(numbers[a.place]);
    const Utf8 right = stored(numbers[b.place]);
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end());
  });
  Sorted sorted;
  sorted.order.reserve(keys.size());
  sorted.terms.offsets.reserve(keys.size() + 1);
  for (const SortKey& key : keys) {
    const Utf8 term = stored(numbers[key.place]);
    sorted.order.push_back(key.place);
    sorted.terms.data.insert(sorted.terms.data.end(), term.begin(), term.end());
    sorted.terms.offsets.push_back(static_cast<std::int64_t>(sorted.terms.data.size()));
  }
  return sorted;
}

}  // namespace elanus
