#include "graph/rows.h"

#include <type_traits>

#include "distance/widen.h"
#include "support/error.h"

namespace elanus {
namespace {

template <typename Rows>
using ElementOf = typename decltype(Rows{}.matrix.values)::value_type;

template <typename Query, typename Row>
constexpr bool kFitTogether =
    std::is_same_v<Row, BitByte>
        ? std::is_same_v<Query, BitByte>
        : std::is_same_v<Query, float> ||
              (std::is_same_v<Query, std::int8_t> && std::is_same_v<Row, std::int8_t>);

}  // namespace

std::size_t AnyRows::num_rows() const noexcept {
  return std::visit([](const auto& rows) { return rows.matrix.num_rows; }, rows_);
}

std::size_t AnyRows::dim() const noexcept {
  return std::visit([](const auto& rows) { return rows.matrix.dim; }, rows_);
}

std::size_t AnyRows::row_bytes() const noexcept {
  return std::visit(
      [](const auto& rows) { return rows.matrix.dim * sizeof(rows.matrix.values[0]); }, rows_);
}

bool AnyRows::are_bits() const noexcept {
  return std::holds_alternative<ScaledRowsOf<BitByte>>(rows_);
}

bool AnyRows::take(const AnyQuery& query) const noexcept {
  return std::visit(
      []<typename Rows, typename Query>(const Rows& rows, const std::span<const Query>& values) {
        return kFitTogether<Query, ElementOf<Rows>> && values.size() == rows.matrix.dim;
      },
      rows_, query);
}

std::span<const float> AnyRows::floats(std::size_t row, std::vector<float>& scratch) const {
  return std::visit(
      [&]<typename Rows>(const Rows& rows) -> std::span<const float> {
        using Element = ElementOf<Rows>;
        if constexpr (std::is_same_v<Element, BitByte>) {
          throw_invalid_argument("rows: expected numbers, got bits");
        } else {
          const std::size_t dim = rows.matrix.dim;
          const std::span<const Element> values = rows.matrix.values.subspan(row * dim, dim);
          if constexpr (std::is_same_v<Element, float>) {
            if (rows.scale.empty()) return values;
          }
          const float scale = rows.scale.empty() ? 1.0F : rows.scale[row];
          scratch.resize(dim);
          for (std::size_t d = 0; d < dim; ++d) scratch[d] = widened(values[d]) * scale;
          return scratch;
        }
      },
      rows_);
}

std::span<const BitByte> AnyRows::bits(std::size_t row) const {
  const auto* rows = std::get_if<ScaledRowsOf<BitByte>>(&rows_);
  if (rows == nullptr) throw_invalid_argument("rows: expected bits, got numbers");
  return rows->matrix.values.subspan(row * rows->matrix.dim, rows->matrix.dim);
}

AnyQuery AnyRows::query_of(std::size_t row, std::vector<float>& scratch) const {
  if (are_bits()) return bits(row);
  return floats(row, scratch);
}

void AnyRows::distances(Metric metric, const AnyQuery& query, std::span<const std::int64_t> row_ids,
                        std::span<Distance> out) const {
  std::visit(
      [&]<typename Rows, typename Query>(const Rows& rows, const std::span<const Query>& values) {
        using Element = ElementOf<Rows>;
        if constexpr (kFitTogether<Query, Element>) {
          distances_to_rows(DistanceRequestOf<Query, Element>{metric, values, rows, row_ids}, out);
        } else {
          throw_invalid_argument("query: not of a type that these rows take");
        }
      },
      rows_, query);
}

}  // namespace elanus
