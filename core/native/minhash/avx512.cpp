// The signatures of sets on processors with AVX-512.
#include "minhash/signature_kernels.h"

namespace elanus::avx512 {

#include "minhash/signature_kernels.inl"

}  // namespace elanus::avx512
