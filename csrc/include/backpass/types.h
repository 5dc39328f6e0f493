// Shapes, element types and arrays: the vocabulary of every other header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backpass/handle.h"
#include "backpass/shape.h"

namespace backpass {

enum class DType : unsigned char { float32, float64, int32 };
enum class Precision : unsigned char { highest, high, medium };
// What memory handed to us may hold.
enum class ElementType : unsigned char {
  float16,
  float32,
  float64,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  boolean,
  bfloat16,  // the upper half of a float32
};

const char* name(DType dtype);
const char* name(Precision precision);
const char* name(ElementType type);
DType parse_dtype(const std::string& name);          // "float32" or "float64"; throws std::invalid_argument
Precision parse_precision(const std::string& name);  // "highest", "high" or "medium"; throws std::invalid_argument
std::size_t size_of(DType dtype);                    // bytes
std::size_t size_of(ElementType type);               // bytes
ElementType element_type(DType dtype);
std::string to_string(const Shape& shape);  // "(batch, 784)"
// Of a shape without kBatch. Throws std::invalid_argument where the product of its dimensions, zeros left out, is
// beyond kMostElements: more than any machine holds, and few enough that their bytes can be counted.
inline constexpr Dim kMostElements = Dim{1} << 52;
Dim element_count(const Shape& shape);

// The settings of a layer, loss or optimizer by name, as they are printed and saved.
struct Description;
using AttributeValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<Description>, std::vector<double>>;
// libstdc++ 12 believes that no variant of these is ever without a value, and destroys one whose copy found no memory:
// the value is copied first.
struct Attribute : AttributeValue {
  using AttributeValue::AttributeValue;
  Attribute(const Attribute& other);
  Attribute(Attribute&& other) noexcept = default;
  Attribute& operator=(Attribute other) noexcept;
};
using Attributes = std::vector<std::pair<std::string, Attribute>>;

// A layer in plain words; a layer made of layers has theirs among its attributes.
struct Description {
  std::string type;
  Attributes attributes;
  bool operator==(const Description& other) const = default;
};

template <class T>
constexpr ElementType element_type_of() {
  if constexpr (std::is_same_v<T, float>)
    return ElementType::float32;
  else if constexpr (std::is_same_v<T, double>)
    return ElementType::float64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return ElementType::int32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return ElementType::int64;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return ElementType::uint8;
  else
    static_assert(sizeof(T) == 0, "an array holds float, double, int32_t, int64_t or uint8_t");
}

// Somebody else's memory, read in place: rows along the first axis `row_stride` bytes apart, each row dense.
struct ArrayView {
  const void* data = nullptr;
  ElementType type = ElementType::float32;
  Shape shape;
  std::ptrdiff_t row_stride = 0;  // bytes; 0 only where there is at most one row

  ArrayView() = default;
  ArrayView(const void* elements, ElementType element_type, Shape dims, std::ptrdiff_t stride);
  // Dense rows. Throws std::invalid_argument where a dimension is negative.
  ArrayView(const void* elements, ElementType element_type, Shape dims);
  template <class T>
  ArrayView(const T* elements, Shape dims) : ArrayView(elements, element_type_of<T>(), std::move(dims)) {}
  // One value per row.
  template <class T>
  ArrayView(const std::vector<T>& values) : ArrayView(values.data(), {static_cast<Dim>(values.size())}) {}  // NOLINT

  bool empty() const { return data == nullptr; }
  Dim rows() const { return shape.empty() ? 1 : shape[0]; }
};

// The arrays of a call: one, or one for each input or output of a network. One alone allocates nothing.
class ArrayViews {
 public:
  ArrayViews() = default;
  ArrayViews(ArrayView one) : first_(std::move(one)), size_(1) {}  // NOLINT: reads as what it is
  ArrayViews(const std::vector<ArrayView>& several);               // NOLINT
  template <class T>
  ArrayViews(const T* elements, Shape dims) : ArrayViews(ArrayView(elements, std::move(dims))) {}
  template <class A>
  requires(!std::is_same_v<A, ArrayViews> && std::is_convertible_v<const A&, ArrayView>) ArrayViews(const A& one)
      : ArrayViews(static_cast<ArrayView>(one)) {}  // NOLINT

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const ArrayView& operator[](std::size_t i) const { return i == 0 ? first_ : rest_[i - 1]; }

 private:
  ArrayView first_;
  std::vector<ArrayView> rest_;
  std::size_t size_ = 0;
};

// A dense row-major array of our own.
class Array {
 public:
  Array() = default;
  Array(DType dtype, Shape shape);  // zeros
  Array(DType dtype, Shape shape, std::shared_ptr<void> memory);  // over memory that others may use too

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t bytes() const;
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  // The elements, none of an array made without arguments or moved from; throws std::invalid_argument where T is not
  // the array's type.
  template <class T>
  std::span<T> values() {
    check(element_type_of<T>());
    return {static_cast<T*>(data()), data() ? static_cast<std::size_t>(element_count(shape_)) : 0};
  }
  template <class T>
  std::span<const T> values() const {
    check(element_type_of<T>());
    return {static_cast<const T*>(data()), data() ? static_cast<std::size_t>(element_count(shape_)) : 0};
  }
  operator ArrayView() const;  // NOLINT(google-explicit-constructor): reads as what it is

 private:
  void check(ElementType type) const;

  DType dtype_ = DType::float32;
  Shape shape_;
  std::shared_ptr<void> data_;  // 64-byte aligned
};

}  // namespace backpass
