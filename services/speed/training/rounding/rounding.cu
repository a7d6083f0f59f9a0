// The GPU kernel of vernier::round_decimals.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>

#include "rounding.h"

namespace vernier {
namespace {

constexpr int THREADS = 256;
constexpr int64_t MOST_BLOCKS = 65535;

template <bool after, typename T>
__global__ void round_all(T* out, const T* in, int64_t count, T power) {
  const int64_t step = static_cast<int64_t>(blockDim.x) * gridDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step)
    out[i] = rounded<after>(in[i], power);
}

at::Tensor round_decimals(const at::Tensor& x, int64_t decimals) {
  TORCH_CHECK_VALUE(std::abs(decimals) <= MOST_DECIMALS, "decimals must lie between -38 and 38, not ", decimals);
  TORCH_CHECK_TYPE(
      x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
      "rounds float32 and float64, not ", x.scalar_type());
  const c10::cuda::CUDAGuard device(x.device());
  const bool dense = x.is_non_overlapping_and_dense();
  const at::Tensor in = dense ? x : x.contiguous();
  at::Tensor out = at::empty_like(in);
  const int64_t count = in.numel();
  if (count == 0) return out;
  const auto blocks = static_cast<unsigned>(std::min((count + THREADS - 1) / THREADS, MOST_BLOCKS));
  const auto stream = c10::cuda::getCurrentCUDAStream();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "round_decimals", [&] {
    const auto power = static_cast<scalar_t>(std::pow(10.0, static_cast<double>(std::abs(decimals))));
    auto* const kernel = decimals >= 0 ? round_all<true, scalar_t> : round_all<false, scalar_t>;
    kernel<<<blocks, THREADS, 0, stream>>>(out.mutable_data_ptr<scalar_t>(), in.const_data_ptr<scalar_t>(), count, power);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(vernier, CUDA, library) { library.impl("round_decimals", round_decimals); }

}  // namespace vernier
