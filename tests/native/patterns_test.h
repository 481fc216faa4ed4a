// Parts of texts and patterns; part of kernels_test.cpp.
#pragma once

void test_patterns();
