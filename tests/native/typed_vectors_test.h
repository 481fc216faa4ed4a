// Kernels over float16, bfloat16, int8 and binary vectors; part of kernels_test.cpp.
#pragma once

#include <string>

// Runs them on the active CPU variant, prints a line per failure and returns their number.
int typed_vector_failures(const std::string& variant);
