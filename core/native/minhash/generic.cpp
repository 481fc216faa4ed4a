// The signatures of sets on any processor.
#include "minhash/signature_kernels.h"

namespace elanus::generic {

#include "minhash/signature_kernels.inl"

}  // namespace elanus::generic
