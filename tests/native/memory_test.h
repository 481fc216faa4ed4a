// What is left behind where there is no memory; part of kernels_test.cpp.
#pragma once

void test_memory();
