// The table of functions for inverted lists that each CPU variant fills.
//
// Plain pointers and sizes: files with flags of their own must not emit shared inline functions,
// or the linker may merge a copy that needs AVX-512 into the generic path.
#pragma once

#include <cstddef>
#include <cstdint>

namespace elanus {

// Centroids lie in panels of 16, transposed: panel[dimension][centroid], so that one load brings
// the same dimension of 16 centroids.
inline constexpr std::size_t kPanelWidth = 16;

// Rows of quantized lists that a kernel call handles; product codes lie in blocks of as many.
inline constexpr std::size_t kCodeBlockRows = 32;
// Codes of scalar quantization are padded to a multiple of this many bytes.
inline constexpr std::size_t kCodeAlignment = 32;
// Sub-quantizers of 4 bits are padded to a multiple of this many: one 64-byte load.
inline constexpr std::size_t kSubGroup = 4;

struct PanelBlock {
  const float* rows;
  std::size_t row_stride;  // floats from one row to the next
  std::size_t num_rows;
  std::size_t dim;
  const float* panels;
  std::size_t num_panels;
};

// A distance is `bias + scale * (sum - offset)`, plus the row's term where there are terms.
struct CodeKey {
  float bias;
  float scale;
  std::int32_t offset;
  const float* terms;  // one per row, or null
};

// Scalar codes, one byte a dimension, value + 128; the query as signed bytes, twice.
struct ScalarCodes {
  const std::uint8_t* codes;
  std::size_t stride;  // bytes of a row, a multiple of kCodeAlignment
  std::size_t num_rows;
  const std::int8_t* query;         // stride values
  const std::int16_t* query_words;  // the same values
};

// Product codes in blocks of 32 rows. 4 bits: for each sub-quantizer 16 bytes, byte i holds row i
// in its low half and row i + 16 in its high half. 8 bits: for each sub-quantizer 32 bytes.
struct ProductCodes {
  const std::uint8_t* codes;
  std::size_t num_blocks;
  std::size_t num_subs;  // with padding
};

struct IvfKernels {
  // Smallest of `half_norms[c] - row * centroid[c]` for each row, and its c (the smaller of equal
  // ones). Padding of the last panel has a half norm of +inf.
  void (*nearest)(const PanelBlock& block, const float* half_norms, std::uint32_t* labels,
                  float* keys);
  // out[row * num_panels * 16 + c] = row * centroid[c].
  void (*inner_products)(const PanelBlock& block, float* out);
  void (*scan_scalar)(const ScalarCodes& codes, const CodeKey& key, float* out);
  // tables[sub][16] bytes; the sum of a row never exceeds 65535.
  void (*scan_product4)(const ProductCodes& codes, const std::uint8_t* tables, const CodeKey& key,
                        float* out);
  // tables[sub][256] floats, added up in order; scale and offset of the key are not used.
  void (*scan_product8)(const ProductCodes& codes, const float* tables, const CodeKey& key,
                        float* out);
  // Positions of the values that are not greater than the bound (NaN is not), ascending.
  std::size_t (*select_near)(const float* values, std::size_t count, float bound,
                             std::uint32_t* positions);
};

namespace generic {
extern const IvfKernels kIvfKernels;
}
namespace avx2 {
extern const IvfKernels kIvfKernels;
}
namespace avx512 {
extern const IvfKernels kIvfKernels;
}
namespace avx512vnni {
void scan_scalar(const ScalarCodes& codes, const CodeKey& key, float* out);
}

// The kernels of the active CPU variant.
[[nodiscard]] const IvfKernels& ivf_kernels();

}  // namespace elanus
