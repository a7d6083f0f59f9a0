// The CPU kernel of vernier::round_decimals; the operator itself is defined in Python.
#include <ATen/Dispatch.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "rounding.h"

namespace vernier {
namespace {

template <bool after, typename T>
void row(char* out, const char* in, int64_t out_stride, int64_t in_stride, int64_t count, T power) {
  if (out_stride == sizeof(T) && in_stride == sizeof(T)) {
    T* const to = reinterpret_cast<T*>(out);
    const T* const from = reinterpret_cast<const T*>(in);
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) to[i] = rounded<after>(from[i], power);
    return;
  }
  for (int64_t i = 0; i < count; ++i, out += out_stride, in += in_stride)
    *reinterpret_cast<T*>(out) = rounded<after>(*reinterpret_cast<const T*>(in), power);
}

at::Tensor round_decimals(const at::Tensor& x, int64_t decimals) {
  TORCH_CHECK_VALUE(std::abs(decimals) <= MOST_DECIMALS, "decimals must lie between -38 and 38, not ", decimals);
  TORCH_CHECK_TYPE(
      x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
      "rounds float32 and float64, not ", x.scalar_type());
  at::Tensor out;
  auto iterator = at::TensorIteratorConfig().add_output(out).add_const_input(x).build();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "round_decimals", [&] {
    const auto power = static_cast<scalar_t>(std::pow(10.0, static_cast<double>(std::abs(decimals))));
    const auto loop = [&](char** data, const int64_t* strides, int64_t count) {
      auto* const rounds = decimals >= 0 ? row<true, scalar_t> : row<false, scalar_t>;
      rounds(data[0], data[1], strides[0], strides[1], count, power);
    };
    iterator.for_each(loop);
  });
  return iterator.output();
}

}  // namespace

TORCH_LIBRARY_IMPL(vernier, CPU, library) { library.impl("round_decimals", round_decimals); }

}  // namespace vernier
