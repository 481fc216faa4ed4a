// Formulas over rows, masks, elements of arrays and bands of signatures; part of kernels_test.cpp.
#pragma once

void test_filters();
