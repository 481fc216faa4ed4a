// The numbers that every kernel speaks.
#pragma once

#include <cstdint>

namespace elanus {

using RowId = std::uint32_t;   // position of a row in one segment, from 0
using TermId = std::uint32_t;  // position of a term in one dictionary, from 0
using Distance = float;        // smaller is nearer, for every metric

}  // namespace elanus
