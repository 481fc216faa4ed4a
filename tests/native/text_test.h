// Tokenizers, counters and vocabularies; part of kernels_test.cpp.
#pragma once

void test_text();
