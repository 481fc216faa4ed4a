// Which row has this primary key? Tables of keys in memory: one writer adds, many readers look up.
//
// Open addressing with linear probing; a key is put again for each newer row of it and the table
// keeps the newest. Rows are below 2^32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <shared_mutex>
#include <span>
#include <vector>

namespace elanus {

// Keys that are numbers.
class IntKeyTable {
 public:
  using Keys = std::span<const std::int64_t>;

  // Key i gets row `first_row + i`; older[i] is the row it had before, -1 for a new key.
  // Throws Error when `older` is of another length or a row has no place in 32 bits. Whatever it
  // throws, also without memory, the table is as it was.
  void put(Keys keys, std::size_t first_row, std::span<std::int64_t> older);

  // rows[i] is the row of key i, or -1.
  void find(Keys keys, std::span<std::int64_t> rows) const;

  [[nodiscard]] std::size_t size_bytes() const;

 private:
  struct Slot {
    std::int64_t key;
    std::uint32_t row;  // plus one; 0 marks a free slot
  };

  [[nodiscard]] std::size_t locate(std::int64_t key) const noexcept;
  void reserve(std::size_t more);

  mutable std::shared_mutex mutex_;  // guards all below
  std::vector<Slot> slots_;
  std::size_t num_keys_ = 0;
};

// Keys that are strings; the table keeps a copy of each distinct one.
class StringKeyTable {
 public:
  // String i is data[offsets[i], offsets[i + 1]).
  struct Keys {
    std::span<const std::int64_t> offsets;
    std::span<const std::uint8_t> data;

    [[nodiscard]] std::size_t size() const noexcept { return offsets.size() - 1; }
  };

  // As in IntKeyTable. Throws Error also when offsets descend or leave `data`.
  void put(const Keys& keys, std::size_t first_row, std::span<std::int64_t> older);
  void find(const Keys& keys, std::span<std::int64_t> rows) const;

  [[nodiscard]] std::size_t size_bytes() const;

 private:
  struct Slot {
    std::uint64_t hash;
    std::uint32_t row;  // plus one; 0 marks a free slot
    std::uint32_t key;  // position in starts_
  };

  [[nodiscard]] std::span<const std::uint8_t> stored_key(std::uint32_t key) const noexcept;
  [[nodiscard]] std::size_t locate(std::uint64_t hash,
                                   std::span<const std::uint8_t> key) const noexcept;
  void reserve(std::size_t more);

  mutable std::shared_mutex mutex_;  // guards all below
  std::vector<Slot> slots_;
  std::size_t num_keys_ = 0;
  std::vector<std::uint8_t> bytes_;  // all keys, end to end
  std::vector<std::size_t> starts_ = {0};
};

}  // namespace elanus
