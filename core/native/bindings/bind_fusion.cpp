// Hybrid searches over one segment: its legs and what joins them are decided once.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/found_rows.h"
#include "bindings/module.h"
#include "bindings/prepared_leg.h"
#include "bindings/row_reader.h"
#include "bindings/unlocked.h"
#include "ranking/fusion.h"
#include "support/parallel_queries.h"

namespace elanus::bindings {
namespace {

// What the legs of one search found, kept for explanations.
class LegRankings {
 public:
  struct Ranking {
    LegHits hits;
    std::vector<double> parts;
  };
  using Arrays = std::tuple<NewArray1<std::int64_t>, NewArray1<float>, NewArray1<double>>;

  explicit LegRankings(std::size_t count) : rankings_(count) {}

  [[nodiscard]] std::vector<Ranking>& rankings() noexcept { return rankings_; }

  [[nodiscard]] Arrays leg(std::size_t i) const {
    const Ranking& ranking = rankings_.at(i);
    return {copy(std::span(ranking.hits.row_ids).first(ranking.hits.count)),
            copy(std::span(ranking.hits.distances).first(ranking.hits.count)),
            copy(std::span(ranking.parts))};
  }

 private:
  template <typename T>
  static NewArray1<T> copy(std::span<const T> values) {
    return OwnedArray<T>(std::vector<T>(values.begin(), values.end())).release();
  }

  std::vector<Ranking> rankings_;
};

// What a leg adds to the score of a row: by its rank, or by its score as it is or scaled.
struct LegShare {
  double weight = 1;
  std::optional<UnitScale> scale;
};

class PreparedFusion {
 public:
  // `rank_constant`: of reciprocal ranks; none adds scores. Legs are kept alive with it.
  PreparedFusion(const nb::tuple& legs, const std::vector<double>& weights,
                 const std::vector<std::optional<UnitScale>>& scales,
                 std::optional<double> rank_constant, std::size_t limit, const RowReader* reader)
      : rank_constant_(rank_constant), limit_(limit), reader_(reader) {
    for (const nb::handle leg : legs) {
      // None would be a pointer to nothing.
      if (!nb::isinstance<PreparedLeg>(leg)) throw nb::type_error("legs: expected prepared legs");
      legs_.push_back(nb::cast<const PreparedLeg*>(leg));
    }
    if (legs_.empty() || weights.size() != legs_.size() || scales.size() != legs_.size()) {
      throw_invalid_argument("legs: expected some, and a weight and a scale for each");
    }
    for (const PreparedLeg* leg : legs_) {
      if (leg->keys().empty() || leg->keys().data() != legs_[0]->keys().data()) {
        throw_invalid_argument("legs: expected legs over the same keys");
      }
    }
    for (std::size_t i = 0; i < legs_.size(); ++i) shares_.push_back({weights[i], scales[i]});
  }

  // Row ids, scores, keys, entities and rankings; None where there is more to be said.
  nb::object find(const nb::list& queries) const {
    Asked asked(legs_.size());
    std::size_t operations = 0;
    if (!read(queries, asked, operations)) return nb::none();
    {
      const Unlocked unlocked(operations);
      search(asked);
    }
    return found(asked);
  }

  // The same for several queries, spread over threads; a list for each. None for all where there is
  // more to be said of what was passed.
  nb::object find_many(const nb::list& queries, std::size_t threads) const {
    std::vector<Asked> asked;
    std::size_t operations = 0;
    for (const nb::handle one : queries) {
      asked.emplace_back(legs_.size());
      if (!nb::isinstance<nb::list>(one)) return nb::none();
      if (!read(nb::borrow<nb::list>(one), asked.back(), operations)) return nb::none();
    }
    {
      const Unlocked unlocked(operations);
      for_each_query(asked.size(), threads_for(operations, threads),
                     [&](std::size_t i) { search(asked[i]); });
    }
    nb::list results;
    for (Asked& one : asked) results.append(found(one));
    return results;
  }

 private:
  // A query for each leg, and what was found.
  struct Asked {
    explicit Asked(std::size_t num_legs) : queries(num_legs), rankings(num_legs) {}

    std::vector<LegQuery> queries;
    LegRankings rankings;
    std::optional<FusedRows> best;
  };

  // Adds what the search costs. False where there is more to be said about a query.
  bool read(const nb::list& queries, Asked& asked, std::size_t& operations) const {
    if (queries.size() != legs_.size()) return false;
    for (std::size_t i = 0; i < legs_.size(); ++i) {
      if (!legs_[i]->read(queries[i], asked.queries[i])) return false;
      operations += legs_[i]->operations(asked.queries[i]);
    }
    return true;
  }

  // Leaves out the best rows where there is more to be said.
  void search(Asked& asked) const {
    for (std::size_t i = 0; i < legs_.size(); ++i) {
      LegRankings::Ranking& ranking = asked.rankings.rankings()[i];
      if (!legs_[i]->find(asked.queries[i], ranking.hits)) return;
      set_parts(*legs_[i], shares_[i], ranking);
    }
    asked.best = fused(asked.rankings);
  }

  [[nodiscard]] nb::object found(Asked& asked) const {
    if (!asked.best.has_value()) return nb::none();
    const FusedRows& best = *asked.best;
    const std::span<const std::int64_t> rows(best.row_ids);
    nb::list scores =
        made_list(rows.size(), [&](std::size_t i) { return PyFloat_FromDouble(best.scores[i]); });
    return nb::make_tuple(integers(rows), scores, keys_of(legs_[0]->keys(), rows),
                          entities_of(reader_, rows), std::move(asked.rankings));
  }

  // With the arithmetic of `query/fusion.py`, so that scores are the same bits.
  void set_parts(const PreparedLeg& leg, const LegShare& share,
                 LegRankings::Ranking& ranking) const {
    const std::span<const float> distances =
        std::span(ranking.hits.distances).first(ranking.hits.count);
    std::vector<double>& parts = ranking.parts;
    parts.resize(distances.size());
    if (rank_constant_.has_value()) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = share.weight / (*rank_constant_ + static_cast<double>(i + 1));
      }
      return;
    }
    if (share.scale.has_value()) {
      unit_scores(*share.scale, distances, parts);
    } else {
      const double sign = static_cast<double>(leg.sign());
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = sign * distances[i];
    }
    for (double& part : parts) part *= share.weight;
  }

  [[nodiscard]] FusedRows fused(LegRankings& rankings) const {
    std::vector<RankedRows> lists;
    for (const LegRankings::Ranking& ranking : rankings.rankings()) {
      const std::span<const std::int64_t> rows(ranking.hits.row_ids);
      lists.push_back({rows.first(ranking.hits.count), ranking.parts});
    }
    return fuse_rows(lists, legs_[0]->keys(), limit_);
  }

  std::vector<const PreparedLeg*> legs_;
  std::vector<LegShare> shares_;
  std::optional<double> rank_constant_;
  std::size_t limit_;
  const RowReader* reader_;
};

}  // namespace

void bind_fusion(nb::module_& module) {
  nb::class_<LegRankings>(module, "LegRankings", "What each leg of a search found.")
      .def("leg", &LegRankings::leg, nb::arg("index"),
           "Row ids, distances and parts of the score.");
  nb::class_<PreparedFusion>(module, "PreparedFusion", "Searches several fields and joins them.")
      .def(nb::init<const nb::tuple&, const std::vector<double>&,
                    const std::vector<std::optional<UnitScale>>&, std::optional<double>,
                    std::size_t, const RowReader*>(),
           nb::arg("legs"), nb::arg("weights"), nb::arg("scales"), nb::arg("rank_constant").none(),
           nb::arg("limit"), nb::arg("reader").none(), nb::keep_alive<1, 2>(),
           nb::keep_alive<1, 7>())
      .def("find", &PreparedFusion::find, nb::arg("queries"),
           nb::sig("def find(self, queries: list[object]) -> tuple[list[int], list[float], "
                   "list[int], list[dict[str, object]] | None, LegRankings] | None"),
           "Row ids, scores, keys, entities and rankings; None when there is more to be said.")
      .def("find_many", &PreparedFusion::find_many, nb::arg("queries"), nb::arg("threads"),
           nb::sig("def find_many(self, queries: list[list[object]], threads: int) -> "
                   "list[tuple[list[int], list[float], list[int], list[dict[str, object]] | None, "
                   "LegRankings] | None] | None"),
           "What `find` returns for each; None when there is more to be said of any.");
}

}  // namespace elanus::bindings
