// What the native tests count and print.
#pragma once

#include <cstdio>
#include <string>

#include "support/error.h"

namespace elanus::test {

inline int failures = 0;

inline void check(bool holds, const std::string& claim) {
  if (holds) return;
  ++failures;
  std::printf("failed: %s\n", claim.c_str());
}

template <typename Call>
void check_throws(Call call, const std::string& claim) {
  try {
    call();
  } catch (const elanus::Error&) {
    return;
  }
  check(false, claim + " throws");
}

}  // namespace elanus::test
