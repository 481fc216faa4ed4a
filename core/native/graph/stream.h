// A search that goes on: more candidates, and more, until there is no row left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace elanus {

// The graph, `query` and the words of `allowed` outlive the stream. One thread at a time.
class GraphStream {
 public:
  // `slack`: keys that the pool holds for each row that is handed out, at least 1.
  GraphStream(const Graph& graph, const AnyQuery& query, const std::optional<BitsetView>& allowed,
              std::size_t ef, double slack);

  // Rows that were not handed out yet, about the nearest `count` of them; fewer when no more are
  // allowed. No row comes twice, every allowed row comes in the end.
  void next(std::size_t count, std::vector<std::int64_t>& out);

 private:
  void walk(std::size_t ef);
  void add_unreachable();

  const Graph& graph_;
  std::optional<BitsetView> allowed_;
  WalkScratch scratch_;
  double slack_;
  std::size_t num_given_ = 0;
  std::vector<std::uint8_t> is_given_;
  bool is_walked_ = true;  // false: a walk was ended before it was through
  bool is_over_ = false;   // every allowed row is in the pool or was handed out
};

}  // namespace elanus
