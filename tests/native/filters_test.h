// Formulas over rows and elements of arrays; part of kernels_test.cpp.
#pragma once

void test_filters();
