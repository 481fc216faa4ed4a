// Numbers by short strings of bytes.
//
// Open addressing with linear probing. A key of up to 16 bytes lies in its slot, so that finding it
// reads one place in memory; longer ones lie end to end in an arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "support/error.h"
#include "text/utf8.h"

namespace elanus {

class ByteStringMap {
 public:
  // A key in the form in which slots hold it.
  struct Key {
    std::uint64_t low;   // bytes 0 to 7 padded with zeros; of a long key its hash
    std::uint64_t high;  // bytes 8 to 15; of a long key its place in the arena
    std::uint64_t hash;
    Utf8 bytes;

    [[nodiscard]] bool is_short() const noexcept { return bytes.size() <= kShort; }
  };

  ByteStringMap() : seed_(std::random_device{}() * 0x9E3779B97F4A7C15ULL | 1U) {}

  // `bytes` is part of [.., text_end): up to 16 bytes are read at once where that allows.
  [[nodiscard]] Key key(Utf8 bytes, const std::uint8_t* text_end) const noexcept {
    Key made{0, 0, 0, bytes};
    if (bytes.size() > kShort) {
      made.low = hash_long(bytes);
      made.hash = made.low;
      return made;
    }
    if (static_cast<std::size_t>(text_end - bytes.data()) >= kShort) {
      std::uint64_t words[2];
      std::memcpy(words, bytes.data(), kShort);
      made.low = words[0] & first_bytes(bytes.size() < 8 ? bytes.size() : 8);
      made.high = bytes.size() <= 8 ? 0 : words[1] & first_bytes(bytes.size() - 8);
    } else {
      std::uint64_t words[2] = {0, 0};
      if (!bytes.empty()) std::memcpy(words, bytes.data(), bytes.size());
      made.low = words[0];
      made.high = words[1];
    }
    made.hash = mix(made.low ^ seed_, made.high ^ (seed_ + bytes.size()));
    return made;
  }

  [[nodiscard]] Key key(Utf8 bytes) const noexcept {
    return key(bytes, bytes.data() + bytes.size());
  }

  // The value of a key, or null. Valid until the next insert.
  [[nodiscard]] std::int32_t* find(const Key& key) noexcept {
    if (slots_.empty()) return nullptr;
    Slot& slot = slots_[locate(key)];
    return slot.size == 0 ? nullptr : &slot.value;
  }
  [[nodiscard]] const std::int32_t* find(const Key& key) const noexcept {
    if (slots_.empty()) return nullptr;
    const Slot& slot = slots_[locate(key)];
    return slot.size == 0 ? nullptr : &slot.value;
  }

  // Hints that a key is about to be looked for.
  void prefetch(const Key& key) const noexcept {
    if (!slots_.empty()) {
      __builtin_prefetch(&slots_[static_cast<std::size_t>(key.hash) & (slots_.size() - 1)]);
    }
  }

  // Adds a key that is not there; without memory for it, nothing is added.
  void insert(const Key& key, std::int32_t value) {
    if (key.bytes.size() >= 0xFFFFFFFFU) throw_invalid_argument("text: a word of 4 GB or more");
    if (2 * (num_keys_ + 1) > slots_.size()) grow();
    Slot slot{key.low, key.high, value, static_cast<std::uint32_t>(key.bytes.size() + 1)};
    if (!key.is_short()) {
      slot.high = arena_.size();
      arena_.insert(arena_.end(), key.bytes.begin(), key.bytes.end());
    }
    slots_[locate(key)] = slot;
    ++num_keys_;
  }

  void clear() noexcept {
    slots_.clear();
    slots_.shrink_to_fit();
    arena_.clear();
    arena_.shrink_to_fit();
    num_keys_ = 0;
  }

  [[nodiscard]] std::size_t size() const noexcept { return num_keys_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept {
    return slots_.capacity() * sizeof(Slot) + arena_.capacity();
  }

 private:
  static constexpr std::size_t kShort = 16;
  static constexpr std::size_t kFirstSlots = 64;

  struct Slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::int32_t value = 0;
    std::uint32_t size = 0;  // of the key plus one; 0 marks a free slot
  };

  [[nodiscard]] static std::uint64_t first_bytes(std::size_t count) noexcept {
    return count == 0 ? 0 : ~std::uint64_t{0} >> (64 - 8 * count);
  }

  [[nodiscard]] static std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * (b ^ 0xA0761D6478BD642FULL);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  [[nodiscard]] std::uint64_t hash_long(Utf8 bytes) const noexcept {
    std::uint64_t hash = seed_ ^ bytes.size();
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      hash = mix(hash ^ 0xE7037ED1A0B428DBULL, word ^ seed_);
    }
    std::uint64_t word = 0;
    if (at < bytes.size()) std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    return mix(hash ^ 0x8EBC6AF09C88C6E3ULL, word ^ seed_);
  }

  // The slot that holds the key, or the free one where it belongs.
  [[nodiscard]] std::size_t locate(const Key& key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    const auto size = static_cast<std::uint32_t>(key.bytes.size() + 1);
    std::size_t at = static_cast<std::size_t>(key.hash) & mask;
    while (slots_[at].size != 0 && !holds(slots_[at], key, size)) at = (at + 1) & mask;
    return at;
  }

  [[nodiscard]] bool holds(const Slot& slot, const Key& key, std::uint32_t size) const noexcept {
    if (slot.low != key.low || slot.size != size) return false;
    if (key.is_short()) return slot.high == key.high;
    return std::memcmp(arena_.data() + slot.high, key.bytes.data(), key.bytes.size()) == 0;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? kFirstSlots : 2 * slots_.size());
    old.swap(slots_);
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.size == 0) continue;
      const std::size_t size = slot.size - 1;
      const std::uint64_t hash =
          size > kShort ? slot.low : mix(slot.low ^ seed_, slot.high ^ (seed_ + size));
      std::size_t at = static_cast<std::size_t>(hash) & mask;
      while (slots_[at].size != 0) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  std::uint64_t seed_;  // drawn, so that nobody can write text whose words collide
  std::vector<Slot> slots_;
  std::vector<std::uint8_t> arena_;
  std::size_t num_keys_ = 0;
};

}  // namespace elanus
