// Room for what is about to be appended, so that appending cannot fail.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace elanus {

// Makes room for `more` elements. Unlike `reserve` alone it grows by a share of what is there:
// many small batches would move everything each time.
template <typename T>
void reserve_more(std::vector<T>& values, std::size_t more) {
  if (values.capacity() - values.size() >= more) return;
  values.reserve(std::max(values.size() + more, values.size() + values.size() / 2));
}

}  // namespace elanus
