#include <nanobind/stl/pair.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "text/text_pattern.h"
#include "text/texts.h"

namespace elanus::bindings {
namespace {

// 1 for each text that matches, and the texts that cannot be decided.
std::pair<NewArray1<std::uint8_t>, NewArray1<std::int64_t>> match_pattern(
    const Array1<std::int64_t>& offsets, const Array1<std::uint8_t>& data, const nb::bytes& pattern,
    bool ignores_case) {
  const Texts texts(to_span(offsets), to_span(data));
  const std::span<const std::uint8_t> given(static_cast<const std::uint8_t*>(pattern.data()),
                                            pattern.size());
  OwnedArray<std::uint8_t> matching(texts.size());
  std::vector<std::int64_t> undecided;
  {
    const Unlocked unlocked(data.size() + texts.size());
    TextPattern(given, ignores_case).match(texts, matching.span(), undecided);
  }
  return {matching.release(), OwnedArray<std::int64_t>(std::move(undecided)).release()};
}

}  // namespace

void bind_patterns(nb::module_& module) {
  module.def("match_pattern", match_pattern, nb::arg("offsets").noconvert(),
             nb::arg("data").noconvert(), nb::arg("pattern"), nb::arg("ignores_case"),
             "Which texts match a pattern of fixed pieces, and which cannot be decided. The GIL is "
             "released.");
}

}  // namespace elanus::bindings
