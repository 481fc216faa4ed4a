#include "checksum/hash64.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "support/offsets.h"

namespace elanus {
namespace {

constexpr std::uint64_t kPrime1 = 0x9e3779b185ebca87;
constexpr std::uint64_t kPrime2 = 0xc2b2ae3d27d4eb4f;
constexpr std::uint64_t kPrime3 = 0x165667b19e3779f9;
constexpr std::uint64_t kPrime4 = 0x85ebca77c2b2ae63;
constexpr std::uint64_t kPrime5 = 0x27d4eb2f165667c5;

static_assert(std::endian::native == std::endian::little, "loads below are little-endian");

template <typename T>
T load(const std::uint8_t* bytes) noexcept {
  T value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::uint64_t round(std::uint64_t lane, std::uint64_t input) noexcept {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t lane) noexcept {
  return (hash ^ round(0, lane)) * kPrime1 + kPrime4;
}

// Consumes whole stripes of 32 bytes.
std::uint64_t hash_stripes(std::span<const std::uint8_t>& rest) noexcept {
  std::array<std::uint64_t, 4> lanes = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  for (; rest.size() >= 32; rest = rest.subspan(32)) {
    for (std::size_t i = 0; i < 4; ++i) {
      lanes[i] = round(lanes[i], load<std::uint64_t>(rest.data() + 8 * i));
    }
  }
  std::uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
                       std::rotl(lanes[3], 18);
  for (const std::uint64_t lane : lanes) hash = merge(hash, lane);
  return hash;
}

}  // namespace

std::uint64_t hash64(std::span<const std::uint8_t> bytes) noexcept {
  std::span<const std::uint8_t> rest = bytes;
  std::uint64_t hash = bytes.size() >= 32 ? hash_stripes(rest) : kPrime5;
  hash += bytes.size();
  for (; rest.size() >= 8; rest = rest.subspan(8)) {
    hash ^= round(0, load<std::uint64_t>(rest.data()));
    hash = std::rotl(hash, 27) * kPrime1 + kPrime4;
  }
  if (rest.size() >= 4) {
    hash ^= load<std::uint32_t>(rest.data()) * kPrime1;
    hash = std::rotl(hash, 23) * kPrime2 + kPrime3;
    rest = rest.subspan(4);
  }
  for (const std::uint8_t byte : rest) {
    hash ^= byte * kPrime5;
    hash = std::rotl(hash, 11) * kPrime1;
  }
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

void hash64_strings(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> data,
                    std::span<std::uint64_t> out) {
  check_offsets(offsets, data.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto begin = static_cast<std::size_t>(offsets[i]);
    const auto end = static_cast<std::size_t>(offsets[i + 1]);
    out[i] = hash64(data.subspan(begin, end - begin));
  }
}

}  // namespace elanus
