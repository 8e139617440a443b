#include "serving/onnx/runtime_library.h"

#include <dlfcn.h>

namespace tarn::serving::onnx {
namespace {

struct Base {
  void* const* (*table)(std::uint32_t version);
  const char* (*version)();
};
constexpr std::uint32_t kTableVersion = 14;
constexpr int kWarnings = 2, kAllOptimizations = 99, kTensor = 1, kArena = 1, kDefaultMemory = 0;

}  // namespace

std::size_t size_of(Element e) {
  switch (e) {
    case Element::float32:
    case Element::int32:
      return 4;
    case Element::int64:
    case Element::float64:
      return 8;
    case Element::int16:
      return 2;
    case Element::int8:
    case Element::boolean:
      return 1;
    default:
      return 0;
  }
}

Library::Library(const std::string& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw std::runtime_error(std::string("ONNX Runtime cannot be opened: ") + ::dlerror());
  auto* base = reinterpret_cast<const Base* (*)()>(::dlsym(handle, "OrtGetApiBase"));
  if (!base) throw std::runtime_error(path + " is not ONNX Runtime");
  version_ = base()->version();
  table_ = base()->table(kTableVersion);
  if (!table_) throw std::runtime_error("ONNX Runtime " + version_ + " does not offer version 14 of its functions");
}

void Library::raise(Status* status) const {
  auto* text = reinterpret_cast<const char* (*)(const Status*)>(table_[static_cast<std::size_t>(Entry::get_error_message)]);
  const std::string message = text(status);
  release(Entry::release_status, status);
  throw std::runtime_error(message);
}

Model::Model(const Library& library, const std::string& path) : lib_(library) {
  Env* env = nullptr;
  lib_.call(Entry::create_env, kWarnings, "tarn", &env);
  SessionOptions* options = nullptr;
  lib_.call(Entry::create_session_options, &options);
  lib_.call(Entry::set_graph_optimization, options, kAllOptimizations);
  lib_.call(Entry::set_intra_threads, options, 1);  // the runtime scales by processes
  lib_.call(Entry::set_inter_threads, options, 1);
  lib_.call(Entry::create_session, static_cast<const Env*>(env), path.c_str(), static_cast<const SessionOptions*>(options), &session_);
  lib_.call(Entry::create_cpu_memory, kArena, kDefaultMemory, &memory_);
  Allocator* allocator = nullptr;
  lib_.call(Entry::default_allocator, &allocator);
  const auto ports = [&](Entry count, Entry name, Entry type) {
    std::size_t n = 0;
    lib_.call(count, static_cast<const Session*>(session_), &n);
    std::vector<Port> out(n);
    for (std::size_t i = 0; i < n; ++i) {
      char* text = nullptr;  // the allocator's; a few names that live as long as the process
      lib_.call(name, static_cast<const Session*>(session_), i, allocator, &text);
      out[i].name = text;
      TypeInfo* info = nullptr;
      lib_.call(type, static_cast<const Session*>(session_), i, &info);
      int kind = 0;
      lib_.call(Entry::kind_of_type, static_cast<const TypeInfo*>(info), &kind);
      if (kind != kTensor) throw std::runtime_error("'" + out[i].name + "' of the model is no tensor: convert the classifier with zipmap off");
      const TensorInfo* tensor = nullptr;
      lib_.call(Entry::tensor_info_of_type, static_cast<const TypeInfo*>(info), &tensor);
      int element = 0;
      lib_.call(Entry::element_type, tensor, &element);
      out[i].element = static_cast<Element>(element);
      if (size_of(out[i].element) == 0 && out[i].element != Element::string)
        throw std::runtime_error("'" + out[i].name + "' of the model has an element type that is not served: " + std::to_string(element));
      std::size_t rank = 0;
      lib_.call(Entry::dimensions_count, tensor, &rank);
      out[i].shape.resize(rank);
      lib_.call(Entry::dimensions, tensor, out[i].shape.data(), rank);
      lib_.release(Entry::release_type_info, info);
    }
    return out;
  };
  inputs_ = ports(Entry::input_count, Entry::input_name, Entry::input_type);
  outputs_ = ports(Entry::output_count, Entry::output_name, Entry::output_type);
}

Value* Model::made(Tensor& t) const {
  Value* v = nullptr;
  if (t.element != Element::string) {
    lib_.call(Entry::create_tensor_over, static_cast<const MemoryInfo*>(memory_), static_cast<void*>(t.bytes.data()), t.bytes.size(),
              static_cast<const std::int64_t*>(t.shape.data()), t.shape.size(), static_cast<int>(t.element), &v);
    return v;
  }
  Allocator* allocator = nullptr;
  lib_.call(Entry::default_allocator, &allocator);
  lib_.call(Entry::create_tensor, allocator, static_cast<const std::int64_t*>(t.shape.data()), t.shape.size(), static_cast<int>(t.element), &v);
  std::vector<const char*> texts;
  for (const auto& s : t.strings) texts.push_back(s.c_str());
  lib_.call(Entry::fill_strings, v, static_cast<const char* const*>(texts.data()), texts.size());
  return v;
}

Model::Tensor Model::read(Value* v) const {
  Tensor t;
  TensorInfo* info = nullptr;
  lib_.call(Entry::tensor_info_of_value, static_cast<const Value*>(v), &info);
  int element = 0;
  std::size_t rank = 0;
  lib_.call(Entry::element_type, static_cast<const TensorInfo*>(info), &element);
  lib_.call(Entry::dimensions_count, static_cast<const TensorInfo*>(info), &rank);
  t.element = static_cast<Element>(element);
  t.shape.resize(rank);
  lib_.call(Entry::dimensions, static_cast<const TensorInfo*>(info), t.shape.data(), rank);
  lib_.release(Entry::release_tensor_info, info);
  if (t.element != Element::string) {
    void* data = nullptr;
    lib_.call(Entry::tensor_data, v, &data);
    const auto* from = static_cast<const char*>(data);
    t.bytes.assign(from, from + t.size() * size_of(t.element));
    return t;
  }
  std::size_t length = 0;
  lib_.call(Entry::strings_length, static_cast<const Value*>(v), &length);
  std::string all(length, '\0');
  std::vector<std::size_t> begins(t.size());
  lib_.call(Entry::strings_content, static_cast<const Value*>(v), static_cast<void*>(all.data()), length, begins.data(), begins.size());
  for (std::size_t i = 0; i < begins.size(); ++i)
    t.strings.push_back(all.substr(begins[i], (i + 1 < begins.size() ? begins[i + 1] : length) - begins[i]));
  return t;
}

std::vector<Model::Tensor> Model::run(std::vector<Tensor>& inputs) const {
  std::vector<const char*> in, out;
  for (const auto& p : inputs_) in.push_back(p.name.c_str());
  for (const auto& p : outputs_) out.push_back(p.name.c_str());
  std::vector<Value*> values, answers(outputs_.size(), nullptr);
  const auto release = [&] {
    for (auto* v : values) lib_.release(Entry::release_value, v);
    for (auto* v : answers) lib_.release(Entry::release_value, v);
  };
  try {
    for (auto& t : inputs) values.push_back(made(t));
    lib_.call(Entry::run, session_, static_cast<const RunOptions*>(nullptr), static_cast<const char* const*>(in.data()),
              const_cast<const Value* const*>(values.data()), values.size(), static_cast<const char* const*>(out.data()), out.size(), answers.data());
    std::vector<Tensor> result;
    for (auto* v : answers) result.push_back(read(v));
    release();
    return result;
  } catch (...) {
    release();
    throw;
  }
}

}  // namespace tarn::serving::onnx
