#pragma once
// ONNX Runtime's C interface, opened at run time. Its functions stand in one table whose order the project promises never to change (new ones
// are appended), and a caller says which version of the table it means; that order is the ABI, and the places used here are named below. The
// library comes from a registry's package that ships no header. Source: ONNX Runtime documentation, "C API" (OrtApi), API version 14 and later.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tarn::serving::onnx {

struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;
struct Allocator;

enum class Element : int { undefined = 0, float32 = 1, int8 = 3, int16 = 5, int32 = 6, int64 = 7, string = 8, boolean = 9, float64 = 11 };

/// Places in the table.
enum class Entry : std::size_t {
  get_error_message = 2,
  create_env = 3,
  create_session = 7,
  run = 9,
  create_session_options = 10,
  set_graph_optimization = 23,
  set_intra_threads = 24,
  set_inter_threads = 25,
  input_count = 30,
  output_count = 31,
  input_type = 33,
  output_type = 34,
  input_name = 36,
  output_name = 37,
  create_tensor = 48,
  create_tensor_over = 49,
  tensor_data = 51,
  fill_strings = 52,
  strings_length = 53,
  strings_content = 54,
  tensor_info_of_type = 55,
  kind_of_type = 56,
  element_type = 60,
  dimensions_count = 61,
  dimensions = 62,
  tensor_info_of_value = 65,
  create_cpu_memory = 69,
  default_allocator = 78,
  release_status = 93,
  release_value = 96,
  release_type_info = 98,
  release_tensor_info = 99
};

/// Throws std::runtime_error with the library's own text. One thread.
class Library {
 public:
  explicit Library(const std::string& path);
  const std::string& version() const { return version_; }

  template <class... A>
  void call(Entry e, A... args) const {
    auto* f = reinterpret_cast<Status* (*)(A...)>(table_[static_cast<std::size_t>(e)]);
    if (Status* bad = f(args...)) raise(bad);
  }
  template <class T>
  void release(Entry e, T* what) const {
    if (what) reinterpret_cast<void (*)(T*)>(table_[static_cast<std::size_t>(e)])(what);
  }

 private:
  [[noreturn]] void raise(Status* status) const;
  void* const* table_ = nullptr;
  std::string version_;
};

struct Port {
  std::string name;
  Element element = Element::undefined;
  std::vector<std::int64_t> shape;  // -1: any
};

/// One model.
class Model {
 public:
  /// Refuses a model with an input or output that is no tensor of numbers, truth values or strings.
  Model(const Library& library, const std::string& path);
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }

  struct Tensor {
    Element element = Element::undefined;
    std::vector<std::int64_t> shape;
    std::vector<char> bytes;           // of numbers
    std::vector<std::string> strings;  // of strings
    std::size_t size() const {
      std::int64_t n = 1;
      for (const auto d : shape) n *= d;
      return static_cast<std::size_t>(n);
    }
  };
  /// One tensor an input, in their order.
  std::vector<Tensor> run(std::vector<Tensor>& inputs) const;

 private:
  Value* made(Tensor& t) const;
  Tensor read(Value* v) const;
  const Library& lib_;
  Session* session_ = nullptr;  // both live as long as the process
  MemoryInfo* memory_ = nullptr;
  std::vector<Port> inputs_, outputs_;
};

std::size_t size_of(Element e);

}  // namespace tarn::serving::onnx
