// Kernels and walks of graphs over codes; part of kernels_test.cpp.
#pragma once

void test_graph();
