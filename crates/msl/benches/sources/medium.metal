// Products of vectors with quantised matrices for three types and two widths, and an attention
// kernel for one query: what a model's decoding step compiles.
#include <metal_stdlib>
#include <metal_simdgroup>
using namespace metal;

constant bool has_bias [[function_constant(0)]];
constant constexpr int SIMD = 32;

template <int bits> struct Packing {
  static constexpr constant int values = 32 / bits;
  static constexpr constant uint mask = (1u << bits) - 1;
};

template <typename T, int n> struct Values {
  float v[n];
  float total;

  void load(const device T* from) thread {
    total = 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < n; i++) {
      v[i] = float(from[i]);
      total += v[i];
    }
  }
};

template <int bits, typename V> inline float product(uint word, thread const V& x) {
  float sum = 0;
#pragma clang loop unroll(full)
  for (int i = 0; i < Packing<bits>::values; i++) {
    sum = fma(float((word >> (bits * i)) & Packing<bits>::mask), x.v[i], sum);
  }
  return sum;
}

template <typename T, int group, int bits, int rows = 4>
[[kernel]] void quantised(const device uint* w [[buffer(0)]], const device T* scales [[buffer(1)]],
                          const device T* biases [[buffer(2)]], const device T* x [[buffer(3)]],
                          device T* y [[buffer(4)]],
                          const device T* bias [[buffer(5), function_constant(has_bias)]],
                          const constant int& width [[buffer(6)]],
                          const constant int& height [[buffer(7)]],
                          uint3 tid [[threadgroup_position_in_grid]],
                          uint simd_group [[simdgroup_index_in_threadgroup]],
                          uint lane [[thread_index_in_simdgroup]]) {
  constexpr int values = Packing<bits>::values;
  static_assert(group % values == 0, "a word belongs to one group");
  const int first = (tid.y * 2 + simd_group) * rows;
  const int words = width / values, groups = width / group;
  x += tid.x * width;
  y += tid.x * height;
  float sums[rows] = {0};
  Values<T, values> part;
  for (int word = lane; word < words; word += SIMD) {
    part.load(x + word * values);
    for (int r = 0; r < rows; r++) {
      const int row = min(first + r, height - 1);
      const int g = row * groups + word * values / group;
      const float dot = product<bits>(w[row * words + word], part);
      sums[r] += float(scales[g]) * dot + float(biases[g]) * part.total;
    }
  }
  for (int r = 0; r < rows; r++) {
    const float sum = simd_sum(sums[r]);
    if (lane == 0 && first + r < height) {
      y[first + r] = T(has_bias ? sum + float(bias[first + r]) : sum);
    }
  }
}

template <typename T, int D>
[[kernel]] void attend(const device T* q [[buffer(0)]], const device T* k [[buffer(1)]],
                       const device T* v [[buffer(2)]], device T* out [[buffer(3)]],
                       const constant int& keys [[buffer(4)]],
                       const constant float& scale [[buffer(5)]],
                       uint head [[threadgroup_position_in_grid]],
                       uint simd_group [[simdgroup_index_in_threadgroup]],
                       uint simd_groups [[simdgroups_per_threadgroup]],
                       uint lane [[thread_index_in_simdgroup]]) {
  constexpr int per_lane = D / SIMD;
  threadgroup float shared[SIMD * SIMD];
  threadgroup float tops[SIMD], totals[SIMD];
  float own[per_lane], sum[per_lane];
  q += head * D + lane * per_lane;
  k += (head * keys + simd_group) * D + lane * per_lane;
  v += (head * keys + simd_group) * D + lane * per_lane;
  for (int i = 0; i < per_lane; i++) {
    own[i] = scale * float(q[i]);
    sum[i] = 0;
  }
  float top = -INFINITY, total = 0;
  for (int j = simd_group; j < keys; j += simd_groups) {
    float score = 0;
    for (int i = 0; i < per_lane; i++) {
      score += own[i] * float(k[i]);
    }
    score = simd_sum(score);
    const float next = max(top, score);
    const float fix = fast::exp(top - next), weight = fast::exp(score - next);
    top = next;
    total = total * fix + weight;
    for (int i = 0; i < per_lane; i++) {
      sum[i] = sum[i] * fix + weight * float(v[i]);
    }
    k += simd_groups * D;
    v += simd_groups * D;
  }
  if (lane == 0) {
    tops[simd_group] = top;
    totals[simd_group] = total;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const bool used = lane < simd_groups;
  const float own_top = used ? tops[lane] : -INFINITY;
  const float all_top = simd_max(own_top);
  const float fix = used ? fast::exp(own_top - all_top) : 0;
  const float all = simd_sum(used ? totals[lane] * fix : 0);
  for (int i = 0; i < per_lane; i++) {
    shared[lane * SIMD + simd_group] = sum[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float part = used ? shared[simd_group * SIMD + lane] * fix : 0;
    const float result = simd_sum(part) / all;
    if (lane == 0) {
      out[head * D + simd_group * per_lane + i] = T(result);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

#define instantiate_quantised(name, type, group, bits)       \
  template [[host_name(#name "_" #type "_" #group "_" #bits)]] \
  [[kernel]] decltype(quantised<type, group, bits>) quantised<type, group, bits>;
#define instantiate_type(type)            \
  instantiate_quantised(qmv, type, 64, 4) \
  instantiate_quantised(qmv, type, 64, 8) \
  template [[host_name("attend_" #type)]] [[kernel]] decltype(attend<type, 64>) attend<type, 64>;

instantiate_type(float)
instantiate_type(half)
