#include "text/char_classes.h"

#include <algorithm>
#include <map>
#include <string>

#include "support/error.h"

namespace elanus {

CharClasses::CharClasses(std::span<const CharClass> classes) {
  if (classes.size() != kNumCodePoints) {
    throw_invalid_argument("classes: expected one for each of 0x110000 code points, got " +
                           std::to_string(classes.size()));
  }
  std::vector<CharClass> flat(classes.begin(), classes.end());
  std::copy(kAsciiClasses.begin(), kAsciiClasses.end(), flat.begin());
  std::map<std::vector<CharClass>, std::uint32_t> known;
  for (auto block = flat.begin(); block != flat.end(); block += kBlock) {
    std::vector<CharClass> values(block, block + kBlock);
    const auto [found, is_new] =
        known.try_emplace(std::move(values), static_cast<std::uint32_t>(blocks_.size()));
    if (is_new) blocks_.insert(blocks_.end(), block, block + kBlock);
    starts_.push_back(found->second);
  }
}

}  // namespace elanus
