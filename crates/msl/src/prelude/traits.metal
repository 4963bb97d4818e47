// Type traits as class templates, on top of the `_v` and `_t` forms that the compiler computes.

namespace metal {

template <typename T, T v>
struct integral_constant {
  static constexpr constant T value = v;
  using value_type = T;
  using type = integral_constant<T, v>;
  constexpr operator value_type() const { return v; }
  constexpr value_type operator()() const { return v; }
};

template <bool v>
using bool_constant = integral_constant<bool, v>;
using true_type = integral_constant<bool, true>;
using false_type = integral_constant<bool, false>;

template <bool condition, typename T = void>
struct enable_if {};

template <typename T>
struct enable_if<true, T> {
  using type = T;
};

template <bool condition, typename T = void>
using enable_if_t = typename enable_if<condition, T>::type;

template <bool condition, typename T, typename F>
struct conditional {
  using type = T;
};

template <typename T, typename F>
struct conditional<false, T, F> {
  using type = F;
};

template <bool condition, typename T, typename F>
using conditional_t = typename conditional<condition, T, F>::type;

template <typename T>
struct type_identity {
  using type = T;
};

template <typename... T>
struct __void_of {
  using type = void;
};

template <typename... T>
using void_t = typename __void_of<T...>::type;

template <typename T>
struct negation : bool_constant<!T::value> {};

template <typename T>
static constexpr constant bool negation_v = !T::value;

template <typename... T>
struct conjunction : bool_constant<(true && ... && T::value)> {};

template <typename... T>
static constexpr constant bool conjunction_v = (true && ... && T::value);

template <typename... T>
struct disjunction : bool_constant<(false || ... || T::value)> {};

template <typename... T>
static constexpr constant bool disjunction_v = (false || ... || T::value);

#define METAL_TRAIT(NAME) \
  template <typename T>   \
  struct NAME : bool_constant<NAME##_v<T>> {};

METAL_TRAIT(is_void)
METAL_TRAIT(is_integral)
METAL_TRAIT(is_floating_point)
METAL_TRAIT(is_arithmetic)
METAL_TRAIT(is_scalar)
METAL_TRAIT(is_signed)
METAL_TRAIT(is_unsigned)
METAL_TRAIT(is_pointer)
METAL_TRAIT(is_reference)
METAL_TRAIT(is_lvalue_reference)
METAL_TRAIT(is_array)
METAL_TRAIT(is_class)
METAL_TRAIT(is_enum)
METAL_TRAIT(is_union)
METAL_TRAIT(is_const)
METAL_TRAIT(is_volatile)
METAL_TRAIT(is_vector)
METAL_TRAIT(is_empty)
METAL_TRAIT(is_function)
METAL_TRAIT(is_trivially_copyable)
METAL_TRAIT(is_trivial)
#undef METAL_TRAIT

template <typename T, typename U>
struct is_same : bool_constant<is_same_v<T, U>> {};

template <typename From, typename To>
struct is_convertible : bool_constant<is_convertible_v<From, To>> {};

template <typename Base, typename Derived>
struct is_base_of : bool_constant<is_base_of_v<Base, Derived>> {};

template <typename T, typename... Args>
struct is_constructible : bool_constant<is_constructible_v<T, Args...>> {};

template <typename T>
struct rank : integral_constant<size_t, rank_v<T>> {};

#define METAL_TRAIT(NAME)     \
  template <typename T>       \
  struct NAME {               \
    using type = NAME##_t<T>; \
  };

METAL_TRAIT(remove_const)
METAL_TRAIT(remove_volatile)
METAL_TRAIT(remove_cv)
METAL_TRAIT(remove_reference)
METAL_TRAIT(remove_pointer)
METAL_TRAIT(remove_addrspace)
METAL_TRAIT(remove_cvref)
METAL_TRAIT(remove_extent)
METAL_TRAIT(add_const)
METAL_TRAIT(add_pointer)
METAL_TRAIT(add_lvalue_reference)
METAL_TRAIT(add_rvalue_reference)
METAL_TRAIT(decay)
METAL_TRAIT(make_signed)
METAL_TRAIT(make_unsigned)
METAL_TRAIT(underlying_type)
METAL_TRAIT(make_scalar)
#undef METAL_TRAIT

template <typename T>
add_rvalue_reference_t<T> declval();

}  // namespace metal
