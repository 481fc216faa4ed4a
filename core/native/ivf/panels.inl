// Rows against panels of centroids, included once per CPU variant inside that variant's namespace.
//
// Expects `Simd` before it: type Vec, constants kWidth and kTileRows, functions zero, broadcast,
// load, store, sub and fma. A tile keeps one accumulator for each of its rows and vectors of a
// panel; each pair of row and centroid adds its dimensions in order, whatever the tile.

namespace {

constexpr std::size_t kPanelVecs = kPanelWidth / Simd::kWidth;
// Rows that walk over one panel before the next comes: both stay in the second-level cache.
constexpr std::size_t kRowsPerPass = 192;

using Flags = decltype(Simd::Vec{} < Simd::Vec{});

template <std::size_t kRows>
inline void multiply_tile(const PanelBlock& block, std::size_t row, const float* panel,
                          Simd::Vec (&sums)[kRows][kPanelVecs]) {
  const float* rows[kRows];
  for (std::size_t r = 0; r < kRows; ++r) rows[r] = block.rows + (row + r) * block.row_stride;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kPanelVecs; ++v) sums[r][v] = Simd::zero();
  }
  for (std::size_t d = 0; d < block.dim; ++d) {
    Simd::Vec centroids[kPanelVecs];
    for (std::size_t v = 0; v < kPanelVecs; ++v) {
      centroids[v] = Simd::load(panel + d * kPanelWidth + v * Simd::kWidth);
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      const Simd::Vec value = Simd::broadcast(rows[r] + d);
      for (std::size_t v = 0; v < kPanelVecs; ++v) {
        sums[r][v] = Simd::fma(value, centroids[v], sums[r][v]);
      }
    }
  }
}

// The best centroid of each lane so far, for the rows of one pass.
struct LaneBests {
  float keys[kRowsPerPass][kPanelWidth];
  std::int32_t panels[kRowsPerPass][kPanelWidth];
};

template <std::size_t kRows>
inline void improve_tile(const PanelBlock& block, std::size_t first, std::size_t row,
                         std::size_t panel, const float* half_norms, LaneBests& bests) {
  Simd::Vec sums[kRows][kPanelVecs];
  multiply_tile<kRows>(block, first + row, block.panels + panel * block.dim * kPanelWidth, sums);
  const Flags number = Flags{} + static_cast<std::int32_t>(panel);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kPanelVecs; ++v) {
      const std::size_t lane = v * Simd::kWidth;
      const Simd::Vec key =
          Simd::sub(Simd::load(half_norms + panel * kPanelWidth + lane), sums[r][v]);
      float* best_keys = bests.keys[row + r] + lane;
      std::int32_t* best_panels = bests.panels[row + r] + lane;
      const Simd::Vec old_key = Simd::load(best_keys);
      Flags old_panel;
      __builtin_memcpy(&old_panel, best_panels, sizeof old_panel);
      const Flags is_nearer = key < old_key;
      Simd::store(best_keys, is_nearer ? key : old_key);
      const Flags new_panel = is_nearer ? number : old_panel;
      __builtin_memcpy(best_panels, &new_panel, sizeof new_panel);
    }
  }
}

inline void finish_row(const LaneBests& bests, std::size_t row, std::uint32_t& label, float& key) {
  float best = bests.keys[row][0];
  std::uint32_t centroid = static_cast<std::uint32_t>(bests.panels[row][0]) * kPanelWidth;
  for (std::size_t lane = 1; lane < kPanelWidth; ++lane) {
    const float other = bests.keys[row][lane];
    const auto number = static_cast<std::uint32_t>(
        static_cast<std::size_t>(bests.panels[row][lane]) * kPanelWidth + lane);
    if (other < best || (other == best && number < centroid)) {
      best = other;
      centroid = number;
    }
  }
  label = centroid;
  key = best;
}

void nearest(const PanelBlock& block, const float* half_norms, std::uint32_t* labels, float* keys) {
  LaneBests bests;
  for (std::size_t first = 0; first < block.num_rows; first += kRowsPerPass) {
    const std::size_t left = block.num_rows - first;
    const std::size_t count = left < kRowsPerPass ? left : kRowsPerPass;
    for (std::size_t row = 0; row < count; ++row) {
      for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
        bests.keys[row][lane] = __builtin_inff();
        bests.panels[row][lane] = 0;
      }
    }
    for (std::size_t panel = 0; panel < block.num_panels; ++panel) {
      std::size_t row = 0;
      for (; row + Simd::kTileRows <= count; row += Simd::kTileRows) {
        improve_tile<Simd::kTileRows>(block, first, row, panel, half_norms, bests);
      }
      for (; row < count; ++row) improve_tile<1>(block, first, row, panel, half_norms, bests);
    }
    for (std::size_t row = 0; row < count; ++row) {
      finish_row(bests, row, labels[first + row], keys[first + row]);
    }
  }
}

template <std::size_t kRows>
inline void inner_products_tile(const PanelBlock& block, std::size_t row, float* out) {
  for (std::size_t panel = 0; panel < block.num_panels; ++panel) {
    Simd::Vec sums[kRows][kPanelVecs];
    multiply_tile<kRows>(block, row, block.panels + panel * block.dim * kPanelWidth, sums);
    for (std::size_t r = 0; r < kRows; ++r) {
      float* to = out + ((row + r) * block.num_panels + panel) * kPanelWidth;
      for (std::size_t v = 0; v < kPanelVecs; ++v) Simd::store(to + v * Simd::kWidth, sums[r][v]);
    }
  }
}

void inner_products(const PanelBlock& block, float* out) {
  std::size_t row = 0;
  for (; row + Simd::kTileRows <= block.num_rows; row += Simd::kTileRows) {
    inner_products_tile<Simd::kTileRows>(block, row, out);
  }
  for (; row < block.num_rows; ++row) inner_products_tile<1>(block, row, out);
}

// The distance of one row, in the same steps on every CPU.
inline float key_of(const CodeKey& key, std::int32_t sum, std::size_t row) {
  const float value = key.bias + key.scale * static_cast<float>(sum - key.offset);
  return key.terms == nullptr ? value : value + key.terms[row];
}

}  // namespace
