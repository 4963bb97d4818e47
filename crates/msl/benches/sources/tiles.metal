// Part of a library of matrix products on simdgroup matrices, in the style of those that packages
// put before their kernels: traits, loaders, tiles, epilogues. `header` repeats it, each time in a
// namespace of its own.
template <typename T, T v> struct constant_of {
  static constexpr constant T value = v;
  using type = constant_of;
  constexpr operator T() const thread { return value; }
};
template <int n> using number = constant_of<int, n>;

template <int from, int to, int step, typename F> inline void repeat(F f) {
  if constexpr (from < to) {
    constexpr number<from> at{};
    f(at);
    repeat<from + step, to, step>(f);
  }
}

template <typename T> struct accumulates { using type = float; };
template <> struct accumulates<int> { using type = int; };
template <> struct accumulates<uint> { using type = uint; };
template <typename T> using accumulator = typename accumulates<T>::type;

template <typename T> struct bounds {
  static constexpr constant T least = metal::numeric_limits<T>::min();
  static constexpr constant T most = metal::numeric_limits<T>::max();
};
#define FLOAT_BOUNDS(type)                                                     \
  template <> struct bounds<type> {                                            \
    static constexpr constant type least = -metal::numeric_limits<type>::max(); \
    static constexpr constant type most = metal::numeric_limits<type>::max();  \
  };
FLOAT_BOUNDS(half)
FLOAT_BOUNDS(float)
FLOAT_BOUNDS(bfloat)
#undef FLOAT_BOUNDS

struct sum_of {
  template <typename T> T operator()(T a, T b) const { return a + b; }
  template <typename T> static constexpr T start() { return T(0); }
};
struct product_of {
  template <typename T> T operator()(T a, T b) const { return a * b; }
  template <typename T> static constexpr T start() { return T(1); }
};
struct largest_of {
  template <typename T> T operator()(T a, T b) const { return a < b ? b : a; }
  template <typename T> static constexpr T start() { return bounds<T>::least; }
};
struct smallest_of {
  template <typename T> T operator()(T a, T b) const { return a < b ? a : b; }
  template <typename T> static constexpr T start() { return bounds<T>::most; }
};

template <typename T, int rows, int columns, int stride, bool along_columns, int threads,
          int part = rows * columns / threads>
struct BlockLoader {
  static constexpr constant int per_row = (along_columns ? rows : columns) / part;
  static constexpr constant int step = threads / per_row;

  const int source_stride;
  const int tile_step;
  const short thread_index;
  const short at_row, at_column;
  threadgroup T* to;
  const device T* from;

  struct alignas(metal::min(16, int(part * sizeof(T)))) Part { T v[part]; };

  BlockLoader(const device T* source, int source_stride_, threadgroup T* target,
              ushort simd_group, ushort lane)
      : source_stride(source_stride_),
        tile_step(along_columns ? columns * source_stride_ : columns),
        thread_index(simd_group * 32 + lane), at_row(thread_index / per_row),
        at_column(part * (thread_index % per_row)), to(target + at_row * stride + at_column),
        from(source + at_row * source_stride_ + at_column) {}

  void load() const {
    for (short i = 0; i < (along_columns ? columns : rows); i += step) {
      *((threadgroup Part*)(&to[i * stride])) = *((const device Part*)(&from[i * source_stride]));
    }
  }

  void load_within(short2 size) const {
    size -= short2(at_column, at_row);
    if (size.x <= 0 || size.y <= 0) {
      for (short i = 0; i < (along_columns ? columns : rows); i += step) {
        for (short j = 0; j < part; j++) {
          to[i * stride + j] = T(0);
        }
      }
      return;
    }
    for (short i = 0; i < (along_columns ? columns : rows); i += step) {
      T values[part];
      bool inside[part];
      for (short j = 0; j < part; j++) {
        inside[j] = i < size.y && j < size.x;
        values[j] = from[inside[j] ? i * source_stride + j : 0];
      }
      for (short j = 0; j < part; j++) {
        to[i * stride + j] = inside[j] ? values[j] : T(0);
      }
    }
  }

  void next() { from += tile_step; }
};

template <typename T, typename Acc> struct Keep {
  static T apply(Acc x) { return T(x); }
  static T apply(Acc x, T) { return T(x); }
};
template <typename T, typename Acc> struct Add {
  Add(float, float) {}
  static T apply(Acc x) { return T(x); }
  static T apply(Acc x, T y) { return T(x) + y; }
};
template <typename T, typename Acc> struct Scale {
  const float alpha, beta;
  Scale(float alpha_, float beta_) : alpha(alpha_), beta(beta_) {}
  T apply(Acc x) const { return T(alpha * x); }
  T apply(Acc x, T y) const { return T(x * alpha + beta * y); }
};

template <typename T, int rows, int columns> struct Tile {
  using matrix = metal::simdgroup_matrix<T, 8, 8>;
  matrix parts[rows * columns];

  Tile() {
    for (short i = 0; i < rows * columns; i++) {
      parts[i] = metal::make_filled_simdgroup_matrix<T, 8, 8>(T(0));
    }
  }
  thread matrix& at(short i, short j) { return parts[i * columns + j]; }
  template <typename U, int stride> void load(const threadgroup U* from) {
    repeat<0, rows, 1>([&](auto i) {
      repeat<0, columns, 1>([&](auto j) {
        metal::simdgroup_load(at(i.value, j.value), from + i.value * 8 * stride + j.value * 8, stride);
      });
    });
  }
};

template <typename T, typename U, int BM, int BN, int BK, int WM, int WN, bool transpose_a,
          bool transpose_b, typename Acc = accumulator<T>, typename Epilogue = Keep<U, Acc>>
struct BlockProduct {
  static constexpr constant int TM = BM / (WM * 8), TN = BN / (WN * 8);
  static constexpr constant int lda = transpose_a ? BM : BK, ldb = transpose_b ? BK : BN;
  Tile<Acc, TM, TN> sums;
  short row, column;

  BlockProduct(ushort simd_group)
      : row(8 * TM * (simd_group / WN)), column(8 * TN * (simd_group % WN)) {}

  void accumulate(const threadgroup T* a, const threadgroup T* b) {
    for (short k = 0; k < BK; k += 8) {
      metal::simdgroup_matrix<T, 8, 8> left[TM], right[TN];
      for (short i = 0; i < TM; i++) {
        const int at = transpose_a ? k * lda + row + i * 8 : (row + i * 8) * lda + k;
        metal::simdgroup_load(left[i], a + at, lda, ulong2(0, 0), transpose_a);
      }
      for (short j = 0; j < TN; j++) {
        const int at = transpose_b ? (column + j * 8) * ldb + k : k * ldb + column + j * 8;
        metal::simdgroup_load(right[j], b + at, ldb, ulong2(0, 0), transpose_b);
      }
      for (short i = 0; i < TM; i++) {
        for (short j = 0; j < TN; j++) {
          metal::simdgroup_multiply_accumulate(sums.at(i, j), left[i], right[j], sums.at(i, j));
        }
      }
    }
  }

  void store(device U* out, int stride) {
    for (short i = 0; i < TM; i++) {
      for (short j = 0; j < TN; j++) {
        thread auto& own = sums.at(i, j).thread_elements();
        own[0] = Acc(Epilogue::apply(own[0]));
        own[1] = Acc(Epilogue::apply(own[1]));
        metal::simdgroup_store(sums.at(i, j), out + (row + i * 8) * stride + column + j * 8, stride);
      }
    }
  }
};

template <typename T, int BM, int BN, int BK, int WM, int WN, bool transpose_a, bool transpose_b>
[[kernel, max_total_threads_per_threadgroup(WM * WN * 32)]] void product(
    const device T* a [[buffer(0)]], const device T* b [[buffer(1)]],
    device float* out [[buffer(2)]], const constant int3& sizes [[buffer(3)]],
    uint lane [[thread_index_in_simdgroup]], uint simd_group [[simdgroup_index_in_threadgroup]],
    uint3 tid [[threadgroup_position_in_grid]]) {
  threadgroup T left[BM * BK], right[BN * BK];
  const int m = tid.y * BM, n = tid.x * BN, K = sizes.z;
  a += transpose_a ? m : m * K;
  b += transpose_b ? n * K : n;
  const int lda = transpose_a ? sizes.x : K, ldb = transpose_b ? K : sizes.y;
  using LoadA = BlockLoader<T, transpose_a ? BK : BM, transpose_a ? BM : BK,
                            transpose_a ? BM : BK, false, WM * WN * 32>;
  using LoadB = BlockLoader<T, transpose_b ? BN : BK, transpose_b ? BK : BN,
                            transpose_b ? BK : BN, false, WM * WN * 32>;
  LoadA load_a(a, lda, left, simd_group, lane);
  LoadB load_b(b, ldb, right, simd_group, lane);
  BlockProduct<T, float, BM, BN, BK, WM, WN, transpose_a, transpose_b> block(simd_group);
  for (int k = 0; k < K; k += BK) {
    threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    load_a.load();
    load_b.load_within(short2(BK, BN));
    threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    block.accumulate(left, right);
    load_a.next();
    load_b.next();
  }
  block.store(out + m * sizes.y + n, sizes.y);
}

template <typename T, typename Op, int reads = 4>
[[kernel]] void reduce_row(const device T* in, device T* out, const constant int& width,
                           uint row [[threadgroup_position_in_grid]],
                           uint lid [[thread_position_in_threadgroup]],
                           uint threads [[threads_per_threadgroup]]) {
  Op op;
  T total = Op::template start<T>();
  for (int i = lid * reads; i < width; i += threads * reads) {
    for (int j = 0; j < reads && i + j < width; j++) {
      total = op(total, in[row * width + i + j]);
    }
  }
  for (ushort step = 16; step > 0; step /= 2) {
    total = op(total, metal::simd_shuffle_xor(total, step));
  }
  if (lid == 0) {
    out[row] = total;
  }
}
