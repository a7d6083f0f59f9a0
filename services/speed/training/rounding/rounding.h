// Rounding to N decimals, for the CPU and the GPU alike: half to even of the value times ten to the N in its own
// precision. A value that has no such decimals (2^23 steps and beyond in single, 2^52 in double precision), an infinity
// and NaN stay as they are.
#pragma once

#include <math.h>  // unlike <cmath>, gives every precision its own ::fabs and ::nearbyint

#include <cstdint>
#include <limits>

#ifdef __CUDACC__
#define VERNIER_BOTH __host__ __device__ __forceinline__
#else
#define VERNIER_BOTH inline __attribute__((always_inline))
#endif

namespace vernier {

constexpr int64_t MOST_DECIMALS = 38;

// `power` is ten to the number of decimals without its sign; `after`, after the point: before it, dividing by a
// hundred is exact where multiplying by a hundredth is not.
template <bool after, typename T>
VERNIER_BOTH T rounded(T value, T power) {
  constexpr T whole_from = static_cast<T>(int64_t{1} << (std::numeric_limits<T>::digits - 1));
  const T scaled = after ? value * power : value / power;
  const T whole = ::nearbyint(scaled);
  const T result = after ? whole / power : whole * power;
  return ::fabs(scaled) < whole_from ? result : value;
}

}  // namespace vernier
