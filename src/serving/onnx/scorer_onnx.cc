// tarn-onnx LIBRARY MODEL SIGNATURE: a scorer (serving/scorer.h) that answers frames on descriptor 3 by ONNX Runtime. Started by `tarn scorer`,
// confined. One model, one thread. Answers look as MLflow's own do for a data frame: a record a row, a field an output.
#include <unistd.h>

#include <cmath>
#include <iostream>

#include "base/json.h"
#include "serving/onnx/runtime_library.h"

namespace tarn::serving::onnx {
namespace {

constexpr std::size_t kHead = 9;
constexpr char kHello = 0, kAnswer = 2, kBadInput = 3, kFailed = 4;

bool read_all(char* at, std::size_t n) {
  while (n > 0) {
    const auto got = ::read(3, at, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    n -= static_cast<std::size_t>(got);
  }
  return true;
}

bool send_frame(const char* id, char kind, std::string_view payload) {
  std::string out(kHead, '\0');
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(payload.size() >> (8 * i)), out[4 + i] = id[i];
  out[8] = kind;
  out += payload;
  for (std::size_t at = 0; at < out.size();) {
    const auto n = ::write(3, out.data() + at, out.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += static_cast<std::size_t>(n);
  }
  return true;
}

struct BadInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A request's table: a cell is null where it was left out.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<const json::value*>> rows;
};

const json::value kNull;

/// The rows of a request in the signature's order. The server has held names and types against the signature already.
Table table_of(const json::object& body, const std::vector<std::string>& columns) {
  Table t{columns, {}};
  const auto place = [&](std::string_view name) -> std::size_t {
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i] == name) return i;
    throw BadInput("no such column: " + std::string(name));
  };
  const auto from_list = [&](const json::value& v, std::vector<const json::value*>& row) {
    const auto* list = v.if_array();
    if (!list) {
      row[0] = &v;
      return;
    }
    if (list->size() != row.size()) throw BadInput(fmt::format("a row has {} values, the model {} columns", list->size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = &(*list)[i];
  };
  const auto from_records = [&](const json::array& rows) {
    for (const auto& r : rows) {
      auto& row = t.rows.emplace_back(columns.size(), &kNull);
      if (const auto* o = r.if_object())
        for (const auto& kv : *o) row[place(kv.key())] = &kv.value();
      else
        from_list(r, row);
    }
  };
  if (const auto* split = body.if_contains("dataframe_split")) {
    const auto& o = split->as_object();
    std::vector<std::size_t> places;
    if (const auto* names = o.if_contains("columns"); names && names->is_array())
      for (const auto& n : names->get_array()) places.push_back(place(n.as_string()));
    for (const auto& r : o.at("data").as_array()) {
      auto& row = t.rows.emplace_back(columns.size(), &kNull);
      if (places.empty())
        from_list(r, row);
      else
        for (std::size_t i = 0; i < places.size(); ++i) row[places[i]] = &r.as_array()[i];
    }
  } else if (const auto* records = body.if_contains("dataframe_records")) {
    from_records(records->as_array());
  } else if (const auto* instances = body.if_contains("instances")) {
    from_records(instances->as_array());
  } else {
    const auto& inputs = body.at("inputs");
    if (const auto* o = inputs.if_object()) {
      for (const auto& kv : *o) {
        const auto at = place(kv.key());
        const auto* list = kv.value().if_array();
        const std::size_t n = list ? list->size() : 1;
        while (t.rows.size() < n) t.rows.emplace_back(columns.size(), &kNull);
        for (std::size_t r = 0; r < n; ++r) t.rows[r][at] = list ? &(*list)[r] : &kv.value();
      }
    } else {
      from_records(inputs.as_array());
    }
  }
  return t;
}

template <class T>
void put(std::vector<char>& to, T v) {
  const auto* from = reinterpret_cast<const char*>(&v);
  to.insert(to.end(), from, from + sizeof v);
}

double number(const json::value& v, const std::string& column) {
  if (v.is_null()) return std::nan("");
  if (v.is_bool()) return v.get_bool() ? 1 : 0;
  if (!v.is_number()) throw BadInput("column '" + column + "' wants numbers");
  return v.to_number<double>();
}

void add(Model::Tensor& t, const json::value& v, const std::string& column) {
  switch (t.element) {
    case Element::string:
      if (!v.is_string()) throw BadInput("column '" + column + "' wants strings");
      t.strings.emplace_back(v.get_string());
      return;
    case Element::float32:
      return put(t.bytes, static_cast<float>(number(v, column)));
    case Element::float64:
      return put(t.bytes, number(v, column));
    default:
      break;
  }
  const double n = number(v, column);
  if (!std::isfinite(n)) throw BadInput("column '" + column + "' must not be null: the model takes whole numbers there");
  switch (t.element) {
    case Element::int64:
      return put(t.bytes, v.is_int64() ? v.get_int64() : static_cast<std::int64_t>(n));
    case Element::int32:
      return put(t.bytes, static_cast<std::int32_t>(n));
    case Element::int16:
      return put(t.bytes, static_cast<std::int16_t>(n));
    default:
      return put(t.bytes, static_cast<std::int8_t>(n));
  }
}

/// One matrix of all columns, or an input a column.
std::vector<Model::Tensor> tensors_of(const Model& model, const Table& t) {
  const auto rows = static_cast<std::int64_t>(t.rows.size());
  std::vector<Model::Tensor> out;
  const bool matrix = model.inputs().size() == 1 && (t.columns.size() != 1 || t.columns[0] != model.inputs()[0].name);
  for (const auto& port : model.inputs()) {
    auto& tensor = out.emplace_back();
    tensor.element = port.element;
    if (matrix) {
      tensor.shape = {rows, static_cast<std::int64_t>(t.columns.size())};
      for (const auto& row : t.rows)
        for (std::size_t c = 0; c < row.size(); ++c) add(tensor, *row[c], t.columns[c]);
      continue;
    }
    const auto at = std::ranges::find(t.columns, port.name);
    if (at == t.columns.end()) throw BadInput("the model wants the input '" + port.name + "', which its signature does not name");
    const auto c = static_cast<std::size_t>(at - t.columns.begin());
    tensor.shape = port.shape.size() == 1 ? std::vector<std::int64_t>{rows} : std::vector<std::int64_t>{rows, 1};
    for (const auto& row : t.rows) add(tensor, *row[c], t.columns[c]);
  }
  return out;
}

json::value element(const Model::Tensor& t, std::size_t i) {
  const auto as = [&]<class T>(T) {
    T v;
    std::memcpy(&v, t.bytes.data() + i * sizeof(T), sizeof(T));
    return v;
  };
  const auto real = [](double d) { return std::isfinite(d) ? json::value(d) : json::value(nullptr); };
  switch (t.element) {
    case Element::string:
      return json::value(boost::json::string(t.strings[i]));
    case Element::float32:
      return real(as(float{}));
    case Element::float64:
      return real(as(double{}));
    case Element::int64:
      return as(std::int64_t{});
    case Element::int32:
      return as(std::int32_t{});
    case Element::int16:
      return as(std::int16_t{});
    case Element::boolean:
      return t.bytes[i] != 0;
    default:
      return as(std::int8_t{});
  }
}

std::string answer_of(const Model& model, const std::vector<Model::Tensor>& out, std::size_t rows) {
  json::array records;
  records.reserve(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    json::object record;
    for (std::size_t o = 0; o < out.size(); ++o) {
      const auto& t = out[o];
      if (t.shape.empty() || t.shape[0] != static_cast<std::int64_t>(rows))
        throw std::runtime_error("the output '" + model.outputs()[o].name + "' is not one row a row");
      const std::size_t width = rows ? t.size() / rows : 0;
      if (width == 1) {
        record[model.outputs()[o].name] = element(t, r);
        continue;
      }
      json::array list;
      for (std::size_t i = 0; i < width; ++i) list.push_back(element(t, r * width + i));
      record[model.outputs()[o].name] = std::move(list);
    }
    records.push_back(std::move(record));
  }
  return boost::json::serialize(json::object{{"predictions", std::move(records)}});
}

int serve(const std::string& library, const std::string& path, const std::string& signature) {
  const char none[4] = {0, 0, 0, 0};
  std::optional<Library> lib;
  std::optional<Model> model;
  std::vector<std::string> columns;
  try {
    lib.emplace(library);
    model.emplace(*lib, path);
    const auto inputs = json::parse(signature);
    if (!inputs) throw std::runtime_error("the signature is no JSON");
    for (const auto& v : inputs->as_array()) {
      const auto* name = v.as_object().if_contains("name");
      columns.push_back(name && name->is_string() ? std::string(name->get_string()) : fmt::format("{}", columns.size()));
    }
  } catch (const std::exception& e) {
    send_frame(none, kHello, boost::json::serialize(json::object{{"error", std::string("the model cannot be loaded by ONNX Runtime: ") + e.what()}}));
    return 1;
  }
  send_frame(none, kHello, boost::json::serialize(json::object{{"ready", true}, {"onnxruntime", lib->version()}}));
  char head[kHead];
  std::string body;
  while (read_all(head, kHead)) {
    std::uint32_t length = 0;
    for (int i = 0; i < 4; ++i) length |= static_cast<std::uint32_t>(static_cast<unsigned char>(head[i])) << (8 * i);
    body.resize(length);
    if (!read_all(body.data(), length)) break;
    const char* id = head + 4;
    bool sent = false;
    try {
      const auto doc = json::parse(body);
      if (!doc || !doc->is_object()) throw BadInput("the request is no JSON object");
      const auto table = table_of(doc->get_object(), columns);
      auto inputs = tensors_of(*model, table);
      const auto outputs = model->run(inputs);
      sent = send_frame(id, kAnswer, answer_of(*model, outputs, table.rows.size()));
    } catch (const BadInput& e) {
      sent = send_frame(id, kBadInput, e.what());
    } catch (const std::exception& e) {
      std::cout << "failed: " << e.what() << std::endl;
      sent = send_frame(id, kFailed, std::string("The model failed: ") + e.what());
    }
    if (!sent) break;
  }
  return 0;
}

}  // namespace
}  // namespace tarn::serving::onnx

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "tarn-onnx LIBRARY MODEL SIGNATURE: a child of `tarn serve`\n";
    return 2;
  }
  return tarn::serving::onnx::serve(argv[1], argv[2], argv[3]);
}
