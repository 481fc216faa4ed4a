// Included once per CPU variant inside that variant's namespace, behind
//   std::uint64_t equal_bytes(const std::uint8_t* bytes, std::uint8_t fold, std::uint8_t wanted)
// which returns where (bytes[i] | fold) == wanted among 64 bytes.

namespace {

constexpr std::size_t kBytes = 64;

inline bool stands_at(const std::uint8_t* text, const std::uint8_t* part, const std::uint8_t* folds,
                      std::size_t part_size) {
  for (std::size_t j = 0; j < part_size; ++j) {
    if ((text[j] | folds[j]) != part[j]) return false;
  }
  return true;
}

std::size_t find(const std::uint8_t* text, std::size_t size, const std::uint8_t* part,
                 const std::uint8_t* folds, std::size_t part_size) {
  if (size < part_size) return size;
  // Sixty-four places at once are told by three bytes of the part; the few that are left, by all.
  const std::size_t last = part_size - 1;
  const std::size_t middle = part_size / 2;
  const std::size_t num_places = size - last;
  std::size_t at = 0;
  for (; at + kBytes <= num_places; at += kBytes) {
    const std::uint8_t* here = text + at;
    std::uint64_t found = equal_bytes(here, folds[0], part[0]);
    if (found == 0) continue;
    found &= equal_bytes(here + last, folds[last], part[last]);
    if (found == 0) continue;
    found &= equal_bytes(here + middle, folds[middle], part[middle]);
    for (; found != 0; found &= found - 1) {
      const auto place = static_cast<std::size_t>(__builtin_ctzll(found));
      if (stands_at(here + place, part, folds, part_size)) return at + place;
    }
  }
  for (; at < num_places; ++at) {
    if (stands_at(text + at, part, folds, part_size)) return at;
  }
  return size;
}

}  // namespace

const FindKernel kFind = find;
