// A row-wise norm: threadgroup memory, a barrier, reductions of simdgroups.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void norm(const device float* x [[buffer(0)]], const device float* weight [[buffer(1)]],
                     device float* out [[buffer(2)]], constant int& width [[buffer(3)]],
                     constant float& eps [[buffer(4)]],
                     uint row [[threadgroup_position_in_grid]],
                     uint lid [[thread_position_in_threadgroup]],
                     uint threads [[threads_per_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]],
                     uint group [[simdgroup_index_in_threadgroup]]) {
  threadgroup float partial[32];
  const device float* from = x + row * width;
  float sum = 0;
  for (int i = lid; i < width; i += threads) {
    sum += from[i] * from[i];
  }
  sum = simd_sum(sum);
  if (group == 0) {
    partial[lane] = 0;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (lane == 0) {
    partial[group] = sum;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float scale = precise::rsqrt(simd_sum(partial[lane]) / width + eps);
  for (int i = lid; i < width; i += threads) {
    out[row * width + i] = weight[i] * (from[i] * scale);
  }
}
