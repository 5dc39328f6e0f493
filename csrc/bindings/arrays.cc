// The boundary: Python objects in as views of their memory, arrays of ours out without a copy.
#include "arrays.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace backpass::python {
namespace {

std::string at(const std::string& where, const std::string& name) { return "[" + where + "] " + name; }

[[noreturn]] void refuse(const std::string& where, const std::string& name, const std::string& what) {
  throw py::type_error(at(where, name) + " must be an array of real numbers, got " + what);
}

std::optional<ElementType> element_type(const py::dtype& dtype) {
  constexpr ElementType kSigned[] = {ElementType::int8, ElementType::int16, ElementType::int32, ElementType::int64};
  constexpr ElementType kUnsigned[] = {ElementType::uint8, ElementType::uint16, ElementType::uint32,
                                       ElementType::uint64};
  constexpr ElementType kFloating[] = {ElementType::float16, ElementType::float32, ElementType::float64};
  const auto size = dtype.itemsize();
  int log2 = 0;
  while ((py::ssize_t{1} << log2) < size) ++log2;
  switch (dtype.kind()) {
    case 'b':
      return ElementType::boolean;
    case 'i':
      return kSigned[log2];
    case 'u':
      return kUnsigned[log2];
    case 'f':
      return size <= 8 ? std::optional(kFloating[log2 - 1]) : std::nullopt;
    default:
      return std::nullopt;
  }
}

bool is_masked(const py::array& array) {
  const auto modules = py::module_::import("sys").attr("modules").cast<py::dict>();
  return modules.contains("numpy.ma") && py::isinstance(array, modules["numpy.ma"].attr("MaskedArray"));
}

std::string type_name(py::handle value) { return py::str(py::type::of(value).attr("__name__")).cast<std::string>(); }

// A table or a column of pandas or polars.
bool is_of_table(py::handle value) {
  return py::hasattr(value, "to_numpy") && (py::hasattr(value, "dtypes") || py::hasattr(value, "dtype"));
}

// What an object is that offers no elements, and how it would.
std::string describe(py::handle value) {
  const std::string kind = "an object of type " + type_name(value);
  if (py::hasattr(value, "collect")) return kind + ": .collect() makes a table of it";
  return py::isinstance<py::dict>(value) ? kind + ": give the array alone" : kind;
}

// Whatever offers its elements, as an ndarray of native byte order.
py::array to_array(py::handle value, const std::string& where, const std::string& name) {
  const py::module_ numpy = py::module_::import("numpy");
  if (value.is_none()) refuse(where, name, "None");
  if (py::isinstance<Tensor>(value)) refuse(where, name, "a tensor, which has no elements while a graph is built");
  if (py::isinstance<py::str>(value) || py::isinstance<py::bytes>(value)) refuse(where, name, "a string");
  if (is_of_table(value))
    return call(py::module_::import("backpass.data._tables").attr("array_of"), value, at(where, name));
  if (!py::hasattr(value, "__array__") && py::hasattr(value, "__dlpack__"))
    return call(numpy.attr("from_dlpack"), value);
  const bool plain = py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value) ||
                     py::isinstance<py::float_>(value) || py::isinstance<py::int_>(value);
  if (!plain && !py::hasattr(value, "__array__")) refuse(where, name, describe(value));
  try {
    return call(numpy.attr("asanyarray"), value);
  } catch (const py::error_already_set& error) {
    if (error.matches(PyExc_ValueError)) throw py::value_error(at(where, name) + " is not a rectangular array");
    if (error.matches(PyExc_TypeError) && py::hasattr(value, "float"))  // a tensor of bfloat16, which NumPy has not
      refuse(where, name, py::str(value.attr("dtype")).cast<std::string>() + ", which NumPy does not have: .float()");
    throw;
  }
}

py::array native_order(const py::array& array) {
  if (const char order = array.dtype().byteorder(); order == '=' || order == '|') return array;
  return call(array.attr("astype"), call(array.dtype().attr("newbyteorder"), "="));
}

const char* cure_of(const py::dtype& dtype) {
  switch (dtype.kind()) {
    case 'U':
    case 'S':
    case 'T':
      return ": strings become labels by numpy.unique(names, return_inverse=True)[1]";
    case 'f':
      return ": .astype(numpy.float64) makes numbers of 64 bits of it";
    case 'V':  // of ml_dtypes, as bfloat16; records have fields
      return dtype.attr("names").is_none() ? ": .astype(numpy.float32) makes numbers of it that are known here" : "";
    case 'O':
      return ": .astype(float) makes one of it, where all are numbers";
    default:
      return "";
  }
}

Dim row_bytes(const py::array& array) {
  Dim bytes = array.itemsize();
  for (py::ssize_t i = 1; i < array.ndim(); ++i) bytes *= array.shape(i);
  return bytes;
}

bool has_dense_rows(const py::array& array) {
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) return false;
  py::ssize_t dense = array.itemsize();
  for (py::ssize_t i = array.ndim() - 1; i > 0; --i) {
    if (array.shape(i) != 1 && array.strides(i) != dense) return false;
    dense *= array.shape(i);
  }
  if (array.ndim() == 0 || array.shape(0) <= 1) return true;
  return array.strides(0) >= dense && array.strides(0) % array.itemsize() == 0;
}

template <class T>
bool row_is_finite(const char* row, Dim count) {
  const T* values = reinterpret_cast<const T*>(row);
  for (Dim i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

// Float16: the exponent's bits are all set in an infinity or a nan.
bool half_row_is_finite(const char* row, Dim count) {
  const auto* values = reinterpret_cast<const std::uint16_t*>(row);
  for (Dim i = 0; i < count; ++i) {
    if ((values[i] & 0x7c00u) == 0x7c00u) return false;
  }
  return true;
}

bool row_is_finite(ElementType type, const char* row, Dim count) {
  if (type == ElementType::float16) return half_row_is_finite(row, count);
  if (type == ElementType::float32) return row_is_finite<float>(row, count);
  if (type == ElementType::float64) return row_is_finite<double>(row, count);
  return true;
}

Dim row_length(const ArrayView& view) {
  Dim count = 1;
  for (std::size_t i = 1; i < view.shape.size(); ++i) count *= view.shape[i];
  return count;
}

py::dtype element_dtype(ElementType type) { return py::dtype(backpass::name(type)); }

}  // namespace

Argument argument(py::handle value, const std::string& where, const std::string& name) {
  py::array array =
      py::isinstance<py::array>(value) ? py::reinterpret_borrow<py::array>(value) : to_array(value, where, name);
  if (Py_TYPE(array.ptr()) != py::detail::npy_api::get().PyArray_Type_ && is_masked(array)) {
    refuse(where, name, "a masked array: fill or drop what is masked first");
  }
  const std::optional<ElementType> type = element_type(array.dtype());
  if (!type) refuse(where, name, "dtype " + py::str(array.dtype()).cast<std::string>() + cure_of(array.dtype()));
  array = native_order(array);
  if (!has_dense_rows(array)) array = call(array.attr("copy"), "C");
  Shape shape(array.shape(), array.shape() + array.ndim());
  const bool strided = array.ndim() > 0 && array.shape(0) > 1;
  const std::ptrdiff_t stride = strided ? array.strides(0) : static_cast<std::ptrdiff_t>(row_bytes(array));
  const void* data = array.data();
  return {std::move(array), ArrayView(data, *type, std::move(shape), stride)};
}

Callable hold(const py::handle& object) {
  return {new py::object(py::reinterpret_borrow<py::object>(object)), [](py::object* held) {
            if (!WithLock::can_be_had()) return;
            const WithLock acquire;
            delete held;
          }};
}

namespace {

std::string names_of(const std::vector<Tensor>& tensors) {
  std::string names;
  for (const Tensor& t : tensors) names += (names.empty() ? "" : ", ") + ('"' + t.name() + '"');
  return names;
}

// The parts of a dict, in the order of the tensors.
std::vector<py::object> parts_by_name(const py::dict& by_name, const std::vector<Tensor>& tensors,
                                      const std::string& label) {
  std::vector<py::object> parts;
  if (std::ranges::any_of(tensors, [](const Tensor& t) { return t.name().empty(); }))
    throw std::invalid_argument(label + " must be a list of arrays, in the order of the tensors, which have no names");
  for (const Tensor& t : tensors) {
    if (!by_name.contains(t.name()))
      throw std::invalid_argument(label + " has no \"" + t.name() + "\"; the names are " + names_of(tensors));
    parts.push_back(by_name[t.name().c_str()]);
  }
  if (by_name.size() != parts.size())
    throw std::invalid_argument(label + " has names that are no inputs; the names are " + names_of(tensors));
  return parts;
}

// A class number is not a fraction.
Argument typed_argument(py::handle value, const Tensor& tensor, const std::string& where, const std::string& name) {
  Argument given = argument(value, where, name);
  const ElementType type = given.view.type;
  const bool real = type == ElementType::float16 || type == ElementType::float32 || type == ElementType::float64;
  if (tensor.dtype() == DType::int32 && real)
    throw py::type_error(at(where, name) + " must be an array of integers, got " +
                         py::str(element_dtype(type)).cast<std::string>() + ": .astype(int), where they are whole");
  return given;
}

}  // namespace

std::vector<py::object> parts_of(py::handle value, const std::vector<Tensor>& tensors, const std::string& where,
                                 const std::string& name) {
  if (py::isinstance<py::dict>(value))
    return parts_by_name(py::reinterpret_borrow<py::dict>(value), tensors, at(where, name));
  std::vector<py::object> parts;
  if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value)) {
    if (tensors.size() == 1) return {py::reinterpret_borrow<py::object>(value)};
    throw py::type_error(at(where, name) + " must be a list of " + std::to_string(tensors.size()) + " arrays, got " +
                         type_name(value));
  }
  for (const py::handle part : value) parts.push_back(py::reinterpret_borrow<py::object>(part));
  if (parts.size() != tensors.size())
    throw std::invalid_argument(at(where, name) + " must hold " + std::to_string(tensors.size()) + " arrays, got " +
                                std::to_string(parts.size()));
  return parts;
}

Arguments arguments(py::handle value, const std::vector<Tensor>& tensors, const std::string& where,
                    const std::string& name) {
  Arguments result;
  if (tensors.size() == 1) {
    const bool named = py::isinstance<py::dict>(value) && !tensors[0].name().empty();
    const py::object one = named ? parts_of(value, tensors, where, name)[0] : py::reinterpret_borrow<py::object>(value);
    result.first = typed_argument(one, tensors[0], where, name);
    result.views = result.first.view;
    return result;
  }
  std::vector<ArrayView> views;
  const std::vector<py::object> parts = parts_of(value, tensors, where, name);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    result.rest.push_back(typed_argument(parts[i], tensors[i], where, name + "[" + std::to_string(i) + "]"));
    views.push_back(result.rest.back().view);
  }
  result.views = views;
  return result;
}

std::optional<double> to_number(py::handle value, const std::string& where, const std::string& name) {
  if (PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr())) return value.cast<double>();
  if (!py::hasattr(value, "__array__")) return {};
  const Argument array = argument(value, where, name);
  if (!array.view.shape.empty()) return {};
  return array.owner.attr("item")().cast<double>();
}

Argument optional_argument(py::handle value, const std::string& where, const std::string& name) {
  return value.is_none() ? Argument{} : argument(value, where, name);
}

void require_finite(const ArrayView& view, const std::string& where, const std::string& name) {
  const Dim count = row_length(view);
  const char* data = static_cast<const char*>(view.data);
  for (Dim row = 0; !view.empty() && row < view.rows(); ++row) {
    if (row_is_finite(view.type, data + row * view.row_stride, count)) continue;
    throw std::invalid_argument(at(where, name) + " holds a nan or an infinity in row " + std::to_string(row) +
                                "; check_finite=False lets it through");
  }
}

void require_castable(const ArrayView& view, DType dtype, const std::string& where, const std::string& name) {
  if (view.empty() || view.type != ElementType::float64 || dtype != DType::float32) return;
  const Dim count = row_length(view);
  for (Dim row = 0; row < view.rows(); ++row) {
    const auto* values = reinterpret_cast<const double*>(static_cast<const char*>(view.data) + row * view.row_stride);
    bool fits = true;
    for (Dim i = 0; i < count; ++i) fits &= !std::isinf(static_cast<float>(values[i])) || std::isinf(values[i]);
    if (fits) continue;
    throw std::invalid_argument(at(where, name) + " has a value in row " + std::to_string(row) +
                                " that is too large for float32");
  }
}

void require_castable(const Arguments& arguments, DType dtype, const std::string& where, const std::string& name) {
  for (std::size_t i = 0; i < arguments.views.size(); ++i) require_castable(arguments.views[i], dtype, where, name);
}

py::dtype numpy_dtype(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return py::dtype::of<float>();
    case DType::float64:
      return py::dtype::of<double>();
    case DType::int32:
      return py::dtype::of<std::int32_t>();
  }
  return py::dtype::of<float>();
}

py::array to_numpy(const Array& array) {
  auto* held = new Array(array);
  const py::capsule owner(held, [](void* pointer) { delete static_cast<Array*>(pointer); });
  return writable_view(held->data(), held->dtype(), held->shape(), owner);
}

py::object to_numpy(const std::vector<Array>& arrays) {
  if (arrays.size() == 1) return to_numpy(arrays[0]);
  py::list list;
  for (const Array& array : arrays) list.append(to_numpy(array));
  return list;
}

py::array to_numpy(const ArrayView& view) {
  py::array result(element_dtype(view.type), view.shape);
  const Dim bytes = row_length(view) * static_cast<Dim>(size_of(view.type));
  const char* from = static_cast<const char*>(view.data);
  char* to = static_cast<char*>(result.mutable_data());
  for (Dim row = 0; row < view.rows() && bytes > 0; ++row) {
    std::memcpy(to + row * bytes, from + row * view.row_stride, static_cast<std::size_t>(bytes));
  }
  return result;
}

py::array writable_view(void* data, DType dtype, const Shape& shape, const py::object& owner) {
  return py::array(numpy_dtype(dtype), shape, data, owner);
}

py::tuple to_tuple(const Shape& shape) {
  py::tuple dims(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    dims[i] = shape[i] == kBatch ? py::object(py::none()) : py::object(py::int_(shape[i]));
  }
  return dims;
}

Shape to_shape(const py::object& dims, const std::string& where) {
  if (!py::isinstance<py::sequence>(dims) || py::isinstance<py::str>(dims))
    throw py::type_error(at(where, "shape") + " must be a tuple of integers, got " +
                         py::repr(dims).cast<std::string>());
  Shape shape;
  // A tuple holds its items: other sequences may make each one anew, and then nobody would.
  for (const py::handle dim : py::tuple(dims)) {
    if (shape.size() == Shape::kMaxRank)
      throw std::invalid_argument(at(where, "shape") + " must have at most 8 dimensions, got " +
                                  std::to_string(py::len(dims)));
    shape.push_back(dim.is_none() ? kBatch : Integer{py::reinterpret_borrow<py::object>(dim)}.as<Dim>(where, "shape"));
  }
  return shape;
}

}  // namespace backpass::python
