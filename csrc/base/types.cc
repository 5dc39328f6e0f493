// Names, sizes and arrays of types.h.
#include "backpass/types.h"

#include <algorithm>

#include "base/aligned.h"
#include "base/error.h"

namespace backpass {

Attribute::Attribute(const Attribute& other)
    : AttributeValue(std::visit([](auto value) { return AttributeValue(std::move(value)); },
                                static_cast<const AttributeValue&>(other))) {}

Attribute& Attribute::operator=(Attribute other) noexcept {
  AttributeValue::operator=(std::move(other));
  return *this;
}

const char* name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int32:
      return "int32";
  }
  return "";
}

const char* name(Precision precision) {
  switch (precision) {
    case Precision::highest:
      return "highest";
    case Precision::high:
      return "high";
    case Precision::medium:
      return "medium";
  }
  return "";
}

const char* name(ElementType type) {
  switch (type) {
    case ElementType::float16:
      return "float16";
    case ElementType::float32:
      return "float32";
    case ElementType::float64:
      return "float64";
    case ElementType::int8:
      return "int8";
    case ElementType::int16:
      return "int16";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::uint8:
      return "uint8";
    case ElementType::uint16:
      return "uint16";
    case ElementType::uint32:
      return "uint32";
    case ElementType::uint64:
      return "uint64";
    case ElementType::boolean:
      return "bool";
    case ElementType::bfloat16:
      return "bfloat16";
  }
  return "";
}

DType parse_dtype(const std::string& text) {
  for (DType dtype : {DType::float32, DType::float64})
    if (text == name(dtype)) return dtype;
  fail("dtype", "must be \"float32\" or \"float64\", got \"", text, '"');
}

Precision parse_precision(const std::string& text) {
  for (Precision precision : {Precision::highest, Precision::high, Precision::medium})
    if (text == name(precision)) return precision;
  fail("precision", "must be \"highest\", \"high\" or \"medium\", got \"", text, '"');
}

std::size_t size_of(DType dtype) { return dtype == DType::float64 ? 8 : 4; }

std::size_t size_of(ElementType type) {
  switch (type) {
    case ElementType::int8:
    case ElementType::uint8:
    case ElementType::boolean:
      return 1;
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::int16:
    case ElementType::uint16:
      return 2;
    case ElementType::float32:
    case ElementType::int32:
    case ElementType::uint32:
      return 4;
    case ElementType::float64:
    case ElementType::int64:
    case ElementType::uint64:
      return 8;
  }
  return 0;
}

ElementType element_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return ElementType::float32;
    case DType::float64:
      return ElementType::float64;
    case DType::int32:
      return ElementType::int32;
  }
  return ElementType::float32;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == kBatch ? "batch" : std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

Dim element_count(const Shape& shape) {
  Dim count = 1, spread = 1;  // spread: were no dimension zero, so that no product of some dimensions is larger
  for (Dim dim : shape) {
    if (dim < 0) fail("shape", "dimensions must not be negative, got ", to_string(shape));
    if (dim > kMostElements / spread) fail("shape", to_string(shape), " has too many elements for any memory");
    spread *= std::max<Dim>(dim, 1);
    count *= dim;
  }
  return count;
}

void fail_empty_handle(const char* who) { fail(who, "is empty: it was made without arguments or moved from"); }

ArrayView::ArrayView(const void* elements, ElementType element_type, Shape dims, std::ptrdiff_t stride)
    : data(elements), type(element_type), shape(std::move(dims)), row_stride(stride) {
  for (Dim dim : shape)
    if (dim < 0) fail("array", "dimensions must not be negative, got ", to_string(shape));
}

ArrayView::ArrayView(const void* elements, ElementType element_type, Shape dims)
    : ArrayView(elements, element_type, dims, 0) {
  const Dim rows = this->rows();
  row_stride = rows > 0 ? static_cast<std::ptrdiff_t>(element_count(shape) / rows * size_of(type)) : 0;
}

Array::Array(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  auto buffer = std::make_shared<AlignedBuffer>(bytes());
  data_ = std::shared_ptr<void>(buffer, buffer->data());
}

Array::Array(DType dtype, Shape shape, std::shared_ptr<void> memory)
    : dtype_(dtype), shape_(std::move(shape)), data_(std::move(memory)) {}

std::size_t Array::bytes() const { return static_cast<std::size_t>(element_count(shape_)) * size_of(dtype_); }

Array::operator ArrayView() const { return ArrayView(data(), element_type(dtype_), shape_); }

void Array::check(ElementType type) const {
  if (type != ArrayView(*this).type) fail("array", "holds ", name(dtype_), ", not the type asked for");
}

ArrayViews::ArrayViews(const std::vector<ArrayView>& several) : size_(several.size()) {
  if (several.empty()) return;
  first_ = several[0];
  rest_.assign(several.begin() + 1, several.end());
}

}  // namespace backpass
