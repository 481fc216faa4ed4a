// Distances between binary vectors, included once per CPU variant inside that variant's namespace.
//
// Expects `BitSimd` before it: types Vec (bits) and Counts, constant kWidth (bytes of a Vec),
// functions zero, load, load_partial, bit_or, bit_xor, add_popcount and sum, and equal<kBytes>,
// which counts the elements of that many bytes that are the same in two Vecs.

namespace {

inline BitSimd::Vec bits_at(const BitByte* values, std::size_t left) {
  return left >= BitSimd::kWidth ? BitSimd::load(values) : BitSimd::load_partial(values, left);
}

inline const BitByte* bit_row(const DistanceBlockOf<BitByte, BitByte>& block, std::size_t row) {
  return block.rows + static_cast<std::size_t>(block.row_ids[row]) * block.dim;
}

constexpr std::size_t kRowsAhead = 8;

// Asks for a later row while an earlier one is computed; only the first query of a block finds its
// rows outside the cache.
inline void prefetch_bits(const DistanceBlockOf<BitByte, BitByte>& block, std::size_t query,
                          std::size_t row) {
  if (query > 0 || row + kRowsAhead >= block.num_rows) return;
  const BitByte* ahead = bit_row(block, row + kRowsAhead);
  for (std::size_t d = 0; d < block.dim; d += 64) __builtin_prefetch(ahead + d);
}

void hamming_block(const DistanceBlockOf<BitByte, BitByte>& block) {
  for (std::size_t q = 0; q < block.num_queries; ++q) {
    const BitByte* query = block.queries + q * block.dim;
    float* out = block.out + q * block.num_rows;
    for (std::size_t r = 0; r < block.num_rows; ++r) {
      const BitByte* row = bit_row(block, r);
      prefetch_bits(block, q, r);
      BitSimd::Counts differing = BitSimd::zero();
      for (std::size_t d = 0; d < block.dim; d += BitSimd::kWidth) {
        const std::size_t left = block.dim - d;
        differing = BitSimd::add_popcount(
            differing, BitSimd::bit_xor(bits_at(query + d, left), bits_at(row + d, left)));
      }
      out[r] = static_cast<float>(BitSimd::sum(differing));
    }
  }
}

void jaccard_block(const DistanceBlockOf<BitByte, BitByte>& block) {
  for (std::size_t q = 0; q < block.num_queries; ++q) {
    const BitByte* query = block.queries + q * block.dim;
    float* out = block.out + q * block.num_rows;
    for (std::size_t r = 0; r < block.num_rows; ++r) {
      const BitByte* row = bit_row(block, r);
      prefetch_bits(block, q, r);
      BitSimd::Counts differing = BitSimd::zero();
      BitSimd::Counts either = BitSimd::zero();
      for (std::size_t d = 0; d < block.dim; d += BitSimd::kWidth) {
        const std::size_t left = block.dim - d;
        const BitSimd::Vec a = bits_at(query + d, left);
        const BitSimd::Vec b = bits_at(row + d, left);
        differing = BitSimd::add_popcount(differing, BitSimd::bit_xor(a, b));
        either = BitSimd::add_popcount(either, BitSimd::bit_or(a, b));
      }
      const auto in_either = static_cast<float>(BitSimd::sum(either));
      // Two empty sets are equal.
      out[r] = in_either > 0 ? static_cast<float>(BitSimd::sum(differing)) / in_either : 0.0F;
    }
  }
}

// Rows hold a whole number of elements, so that a Vec never ends within one.
template <std::size_t kBytes>
void equal_block(const DistanceBlockOf<BitByte, BitByte>& block) {
  const auto elements = static_cast<float>(block.dim / kBytes);
  for (std::size_t q = 0; q < block.num_queries; ++q) {
    const BitByte* query = block.queries + q * block.dim;
    float* out = block.out + q * block.num_rows;
    for (std::size_t r = 0; r < block.num_rows; ++r) {
      const BitByte* row = bit_row(block, r);
      prefetch_bits(block, q, r);
      std::size_t equal = 0;
      std::size_t d = 0;
      for (; d + BitSimd::kWidth <= block.dim; d += BitSimd::kWidth) {
        equal += BitSimd::equal<kBytes>(BitSimd::load(query + d), BitSimd::load(row + d));
      }
      if (d < block.dim) {
        const std::size_t left = block.dim - d;
        equal += BitSimd::equal<kBytes>(BitSimd::load_partial(query + d, left),
                                        BitSimd::load_partial(row + d, left));
        equal -= (BitSimd::kWidth - left) / kBytes;  // what lies behind both is equal
      }
      out[r] = static_cast<float>(equal) / elements;
    }
  }
}

}  // namespace

const BitKernels kBitKernels = {hamming_block,  jaccard_block,  equal_block<1>,
                                equal_block<2>, equal_block<4>, equal_block<8>};
