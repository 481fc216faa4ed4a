// How are the queries of a batch spread over threads?
#pragma once

#include <cstddef>
#include <functional>

namespace elanus {

// Calls work(query) for each of 0 .. num_queries - 1, from `threads` threads, this one among them.
//
// Each thread looks between two queries, and the work of the others at its cancel points, whether
// the search of this thread (CancelToken) shall end. The first exception ends all of them and is
// thrown here. Where the system gives no more threads, those that there are do the work.
void for_each_query(std::size_t num_queries, std::size_t threads,
                    const std::function<void(std::size_t)>& work);

}  // namespace elanus
