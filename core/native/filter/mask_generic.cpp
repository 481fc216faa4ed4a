// Bits of rows on any processor.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "filter/mask_kernels.h"

namespace elanus::generic {

#include "filter/mask_kernels.inl"

}  // namespace elanus::generic
