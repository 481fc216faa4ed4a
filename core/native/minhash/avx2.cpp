// The signatures of sets on processors with AVX2.
#include "minhash/signature_kernels.h"

namespace elanus::avx2 {

#include "minhash/signature_kernels.inl"

}  // namespace elanus::avx2
