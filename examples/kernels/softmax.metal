// Softmax over the rows of a matrix: one threadgroup of 64 threads for each row.
#include <metal_stdlib>
using namespace metal;

template <typename T>
[[kernel]] void softmax(
    const device T* x [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant uint& n [[buffer(2)]],
    uint row [[threadgroup_position_in_grid]],
    uint thread_index [[thread_position_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint group [[simdgroup_index_in_threadgroup]]) {
  threadgroup float parts[2];
  x += row * n;
  out += row * n;

  float top = -INFINITY;
  for (uint i = thread_index; i < n; i += 64) top = max(top, float(x[i]));
  top = simd_max(top);
  if (lane == 0) parts[group] = top;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  top = max(parts[0], parts[1]);
  threadgroup_barrier(mem_flags::mem_threadgroup);

  float total = 0;
  for (uint i = thread_index; i < n; i += 64) total += exp(float(x[i]) - top);
  total = simd_sum(total);
  if (lane == 0) parts[group] = total;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  total = parts[0] + parts[1];

  for (uint i = thread_index; i < n; i += 64) out[i] = T(exp(float(x[i]) - top) / total);
}

template [[host_name("softmax_float")]] [[kernel]] decltype(softmax<float>) softmax<float>;
template [[host_name("softmax_half")]] [[kernel]] decltype(softmax<half>) softmax<half>;
