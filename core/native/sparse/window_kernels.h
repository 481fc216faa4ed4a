// The table of functions that each CPU variant fills: what a search does to the counters of a
// window. All are whole numbers, so every variant gives the same.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions,
// or the linker may merge a copy that needs AVX-512 into the generic path.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

// A posting adds `max(1, code * weight >> 8)` to the counter of its row.
// Codes may be read up to 64 bytes behind the last.

// Any row in the window fits: there is a counter for each number of 16 bits.
struct ArrayAddition {
  std::uint16_t* counters;
  const std::uint8_t* ids;  // little-endian, 2 bytes each, at any address
  const std::uint8_t* codes;
  std::size_t count;
  std::uint16_t weight;
};

struct BitmapAddition {
  std::uint16_t* counters;
  const std::uint8_t* words;  // little-endian, 8 bytes each, at any address
  std::size_t num_words;
  const std::uint8_t* codes;
  const std::uint8_t* codes_end;  // where more bits than codes stop
  std::uint16_t weight;
};

// A code for each row; 0 adds nothing.
struct DenseAddition {
  std::uint16_t* counters;
  const std::uint8_t* codes;
  std::size_t num_rows;  // a multiple of 64
  std::uint16_t weight;
};

// Takes the counters that reach `least`, and sets all to 0.
struct Drain {
  std::uint16_t* counters;
  const std::uint64_t* allowed;  // a bit for each row, or null
  std::size_t position;          // multiples of 64
  std::size_t end;
  std::uint16_t least;  // at least 1
  // What was found: rows in the window, ascending, and their counters.
  std::uint16_t* rows;
  std::uint16_t* values;
  std::size_t found;
  std::size_t room;
};

// Takes the largest counter of every 64.
struct BlockMaxima {
  const std::uint16_t* counters;
  const std::uint64_t* allowed;  // a bit for each row, or null
  std::size_t num_blocks;
  std::uint16_t* maxima;  // 0 where no row is allowed
};

struct WindowKernels {
  void (*add_array)(const ArrayAddition& addition);
  void (*add_bitmap)(const BitmapAddition& addition);
  void (*add_dense)(const DenseAddition& addition);
  // Goes on until the end, or until fewer than 64 places are left.
  void (*drain)(Drain& drain);
  void (*block_maxima)(const BlockMaxima& blocks);
};

namespace generic {
extern const WindowKernels kWindowKernels;
}
namespace avx2 {
extern const WindowKernels kWindowKernels;
}
namespace avx512 {
extern const WindowKernels kWindowKernels;
}
namespace avx512_vbmi2 {
extern const WindowKernels kWindowKernels;
}

// The kernels of the active CPU variant.
[[nodiscard]] const WindowKernels& window_kernels();

}  // namespace elanus
