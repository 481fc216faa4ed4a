#include "keys/key_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>

#include "checksum/hash64.h"
#include "support/error.h"
#include "support/offsets.h"
#include "support/reserve.h"

namespace elanus {
namespace {

constexpr std::size_t kFirstSlots = 64;

// The finalizer of MurmurHash3: keys that count up spread over the whole table.
std::uint64_t mix(std::uint64_t key) noexcept {
  key = (key ^ (key >> 33)) * 0xff51afd7ed558ccd;
  key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53;
  return key ^ (key >> 33);
}

std::int64_t to_row(std::uint32_t stored) noexcept { return static_cast<std::int64_t>(stored) - 1; }

void check_rows(std::size_t first_row, std::size_t count, std::size_t room) {
  if (room != count) {
    throw_invalid_argument("older: expected " + std::to_string(count) + " values, got " +
                           std::to_string(room));
  }
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (count >= kMost || first_row >= kMost - count) {
    throw_invalid_argument("rows: expected at most 2^32 - 2 of them");
  }
}

void check_room(std::size_t count, std::size_t room) {
  if (room != count) {
    throw_invalid_argument("rows: expected " + std::to_string(count) + " values, got " +
                           std::to_string(room));
  }
}

// Slots for so many keys: a power of two, at most two thirds of it in use.
std::size_t slots_for(std::size_t num_keys) {
  return std::max(kFirstSlots, std::bit_ceil(num_keys + num_keys / 2 + 1));
}

}  // namespace

// --- numbers --------------------------------------------------------------------------------

void IntKeyTable::put(Keys keys, std::size_t first_row, std::span<std::int64_t> older) {
  check_rows(first_row, keys.size(), older.size());
  const std::unique_lock lock(mutex_);
  reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Slot& slot = slots_[locate(keys[i])];
    older[i] = to_row(slot.row);
    num_keys_ += slot.row == 0 ? 1 : 0;
    slot = {keys[i], static_cast<std::uint32_t>(first_row + i + 1)};
  }
}

void IntKeyTable::find(Keys keys, std::span<std::int64_t> rows) const {
  check_room(keys.size(), rows.size());
  const std::shared_lock lock(mutex_);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    rows[i] = slots_.empty() ? -1 : to_row(slots_[locate(keys[i])].row);
  }
}

std::size_t IntKeyTable::size_bytes() const {
  const std::shared_lock lock(mutex_);
  return slots_.capacity() * sizeof(Slot);
}

// The slot of the key, or the free one that it would take.
std::size_t IntKeyTable::locate(std::int64_t key) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t place = mix(static_cast<std::uint64_t>(key)) & mask;
  while (slots_[place].row != 0 && slots_[place].key != key) place = (place + 1) & mask;
  return place;
}

void IntKeyTable::reserve(std::size_t more) {
  const std::size_t wanted = slots_for(num_keys_ + more);
  if (wanted <= slots_.size()) return;
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(wanted));
  for (const Slot& slot : old) {
    if (slot.row != 0) slots_[locate(slot.key)] = slot;
  }
}

// --- strings --------------------------------------------------------------------------------

void StringKeyTable::put(const Keys& keys, std::size_t first_row, std::span<std::int64_t> older) {
  check_offsets(keys.offsets, keys.data.size());
  check_rows(first_row, keys.size(), older.size());
  std::vector<std::uint64_t> hashes(keys.size());
  hash64_strings(keys.offsets, keys.data, hashes);
  const std::unique_lock lock(mutex_);
  // All memory first, so that nothing of the batch is put where there is none for all of it.
  reserve_more(bytes_, static_cast<std::size_t>(keys.offsets.back() - keys.offsets.front()));
  reserve_more(starts_, keys.size());
  reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto begin = static_cast<std::size_t>(keys.offsets[i]);
    const auto key =
        keys.data.subspan(begin, static_cast<std::size_t>(keys.offsets[i + 1]) - begin);
    Slot& slot = slots_[locate(hashes[i], key)];
    older[i] = to_row(slot.row);
    if (slot.row == 0) {
      bytes_.insert(bytes_.end(), key.begin(), key.end());
      starts_.push_back(bytes_.size());
      slot.hash = hashes[i];
      slot.key = static_cast<std::uint32_t>(num_keys_++);
    }
    slot.row = static_cast<std::uint32_t>(first_row + i + 1);
  }
}

void StringKeyTable::find(const Keys& keys, std::span<std::int64_t> rows) const {
  check_offsets(keys.offsets, keys.data.size());
  check_room(keys.size(), rows.size());
  const std::shared_lock lock(mutex_);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto begin = static_cast<std::size_t>(keys.offsets[i]);
    const auto key =
        keys.data.subspan(begin, static_cast<std::size_t>(keys.offsets[i + 1]) - begin);
    rows[i] = slots_.empty() ? -1 : to_row(slots_[locate(hash64(key), key)].row);
  }
}

std::size_t StringKeyTable::size_bytes() const {
  const std::shared_lock lock(mutex_);
  return slots_.capacity() * sizeof(Slot) + bytes_.capacity() +
         starts_.capacity() * sizeof(std::size_t);
}

std::span<const std::uint8_t> StringKeyTable::stored_key(std::uint32_t key) const noexcept {
  const std::size_t begin = starts_[key];
  return std::span(bytes_).subspan(begin, starts_[key + 1] - begin);
}

// The slot of the key, or the free one that it would take. Different keys may share a hash.
std::size_t StringKeyTable::locate(std::uint64_t hash,
                                   std::span<const std::uint8_t> key) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t place = hash & mask;
  for (; slots_[place].row != 0; place = (place + 1) & mask) {
    if (slots_[place].hash == hash && std::ranges::equal(stored_key(slots_[place].key), key)) break;
  }
  return place;
}

void StringKeyTable::reserve(std::size_t more) {
  const std::size_t wanted = slots_for(num_keys_ + more);
  if (wanted <= slots_.size()) return;
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(wanted));
  const std::size_t mask = wanted - 1;
  for (const Slot& slot : old) {
    if (slot.row == 0) continue;
    std::size_t place = slot.hash & mask;
    while (slots_[place].row != 0) place = (place + 1) & mask;
    slots_[place] = slot;
  }
}

}  // namespace elanus
