#include "serving/model.h"

#include <yaml-cpp/yaml.h>

#include <cmath>

namespace tarn::serving {
namespace {

constexpr std::size_t kShown = 80;

ColumnType type_of(std::string_view text) {
  if (text == "long") return ColumnType::long_;
  if (text == "float") return ColumnType::float_;
  if (text == "double") return ColumnType::double_;
  return json::enum_of<ColumnType>(text).value_or(ColumnType::other);
}

/// What a request wrote where JSON has no word for it (NaN): parsed as this string, so that the refusal can say where it is.
constexpr std::string_view kNoJson = "\x01no number: ";
bool no_json(const json::value& v) { return v.is_string() && std::string_view(v.get_string()).starts_with(kNoJson); }

std::string shown(const json::value& v) {
  auto text = no_json(v) ? std::string(v.get_string()).substr(kNoJson.size()) : boost::json::serialize(v);
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

Error wrong(const std::string& field, const std::string& problem) { return {{Errc::invalid, fmt::format("Field '{}' {}", field, problem)}}; }

/// One value against one column; `field` is made only for a refusal.
std::optional<std::string> misfit(const Column& c, const json::value& v) {
  if (no_json(v)) return "is " + shown(v) + ", which is no JSON: send null for a missing value";
  if (v.is_null()) {
    if (!c.required || c.type == ColumnType::double_ || c.type == ColumnType::float_ || c.type == ColumnType::string ||
        c.type == ColumnType::datetime || c.type == ColumnType::other)
      return std::nullopt;
    return fmt::format("is null, but the column is a required {}", c.type_text);
  }
  const bool whole =
      v.is_int64() || v.is_uint64() || (v.is_double() && v.get_double() == std::trunc(v.get_double()) && std::abs(v.get_double()) < 9e15);
  bool fits = true;
  switch (c.type) {
    case ColumnType::boolean:
      fits = v.is_bool();
      break;
    case ColumnType::integer:
      fits = whole && (v.is_int64() ? std::abs(v.get_int64()) <= 2147483648ll : !v.is_uint64() && std::abs(v.get_double()) <= 2147483648.0);
      break;
    case ColumnType::long_:
      fits = whole;
      break;
    case ColumnType::float_:
    case ColumnType::double_:
      fits = v.is_number();
      break;
    case ColumnType::string:
    case ColumnType::binary:
      fits = v.is_string();
      break;
    case ColumnType::datetime:
      fits = v.is_string() || v.is_int64();
      break;
    case ColumnType::other:
      break;
  }
  if (fits) return std::nullopt;
  return fmt::format("must be {} {}, got {}", c.type_text == "integer" ? "an" : "a", c.type_text, shown(v));
}

/// The text with NaN, Infinity and -Infinity outside of strings as strings; nothing if there is none.
std::optional<std::string> with_numbers_named(std::string_view body) {
  std::string out;
  bool text = false, any = false;
  for (std::size_t i = 0; i < body.size();) {
    if (text && body[i] == '\\') {
      out += body.substr(i, 2);
      i += 2;
      continue;
    }
    if (body[i] == '"') text = !text;
    bool found = false;
    if (!text)
      for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
        if (body.substr(i).starts_with(word)) {
          out += fmt::format("\"\\u0001{}{}\"", kNoJson.substr(1), word);
          i += word.size();
          found = any = true;
          break;
        }
    if (!found) out += body[i++];
  }
  return any ? std::optional(out) : std::nullopt;
}

std::string names_of(const std::vector<Column>& columns) {
  std::string out;
  for (const auto& c : columns) out += (out.empty() ? "" : ", ") + c.name;
  return out;
}

/// The names that a request brings, against the signature's: place of each signature column in the request, or nothing.
Result<std::vector<const Column*>> matched(const Model& m, const std::vector<std::string>& given, const std::string& field) {
  std::vector<const Column*> out(given.size(), nullptr);
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!seen.insert(given[i]).second) return fail(wrong(field, "names column '" + given[i].substr(0, kShown) + "' twice"));
    for (const auto& c : m.inputs)
      if (c.name == given[i]) out[i] = &c;
    if (!out[i])
      return fail(wrong(field, fmt::format("has the column '{}', which the model's signature does not (it has: {})", given[i].substr(0, kShown),
                                           names_of(m.inputs))));
  }
  for (const auto& c : m.inputs)
    if (c.required && !seen.contains(c.name))
      return fail(wrong(field, fmt::format("misses the column '{}' ({}) that the model's signature requires", c.name, c.type_text)));
  return out;
}

Result<std::size_t> check_records(const Model& m, const json::array& rows, const std::string& field) {
  // Rows mostly have the same columns in the same order: the match of the first is tried for all.
  std::vector<std::string> names;
  std::vector<const Column*> columns;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto* o = rows[r].if_object();
    if (!o) return fail(wrong(fmt::format("{}[{}]", field, r), "must be an object of columns, got " + shown(rows[r])));
    bool same = o->size() == names.size();
    std::size_t i = 0;
    for (const auto& kv : *o) {
      if (!same) break;
      same = std::string_view(kv.key()) == names[i++];
    }
    if (!same || r == 0) {
      names.clear();
      for (const auto& kv : *o) names.emplace_back(kv.key());
      TARN_TRY(found, matched(m, names, fmt::format("{}[{}]", field, r)));
      columns = found;
    }
    i = 0;
    for (const auto& kv : *o) {
      const auto* c = columns[i++];
      if (const auto bad = misfit(*c, kv.value())) return fail(wrong(fmt::format("{}[{}].{}", field, r, c->name), *bad));
    }
  }
  return rows.size();
}

Result<std::size_t> check_split(const Model& m, const json::value& v) {
  const std::string field = "dataframe_split";
  const auto* o = v.if_object();
  const auto* data = o ? o->if_contains("data") : nullptr;
  if (!data || !data->is_array()) return fail(wrong(field + ".data", "is required and must be an array of rows"));
  const bool named = !m.inputs.empty() && !m.inputs[0].name.empty();
  std::vector<const Column*> columns;
  if (const auto* given = o->if_contains("columns"); given && !given->is_null()) {
    if (!given->is_array()) return fail(wrong(field + ".columns", "must be an array of names"));
    std::vector<std::string> names;
    for (const auto& n : given->get_array()) names.push_back(n.is_string() ? std::string(n.get_string()) : boost::json::serialize(n));
    if (named) {
      TARN_TRY(found, matched(m, names, field + ".columns"));
      columns = found;
    }
  } else if (named) {
    return fail(wrong(field + ".columns", "is required: the model's signature has named columns (" + names_of(m.inputs) + ")"));
  }
  if (!named)
    for (const auto& c : m.inputs) columns.push_back(&c);
  const auto& rows = data->get_array();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto* row = rows[r].if_array();
    if (!row) return fail(wrong(fmt::format("{}.data[{}]", field, r), "must be an array of values, got " + shown(rows[r])));
    if (row->size() != columns.size())
      return fail(
          wrong(fmt::format("{}.data[{}]", field, r), fmt::format("must have {} values, one a column; it has {}", columns.size(), row->size())));
    for (std::size_t i = 0; i < row->size(); ++i)
      if (const auto bad = misfit(*columns[i], (*row)[i]))
        return fail(
            wrong(columns[i]->name.empty() ? fmt::format("{}.data[{}][{}]", field, r, i) : fmt::format("{}.data[{}].{}", field, r, columns[i]->name),
                  *bad));
  }
  return rows.size();
}

Result<std::size_t> check_columns(const Model& m, const json::object& o, const std::string& field) {
  std::vector<std::string> names;
  for (const auto& kv : o) names.emplace_back(kv.key());
  TARN_TRY(columns, matched(m, names, field));
  std::size_t i = 0, rows = 0;
  bool first = true;
  for (const auto& kv : o) {
    const auto* c = columns[i++];
    const auto* list = kv.value().if_array();
    const std::size_t n = list ? list->size() : 1;
    if (!first && n != rows) return fail(wrong(field + "." + c->name, fmt::format("has {} values where other columns have {}", n, rows)));
    first = false;
    rows = n;
    if (!list) {
      if (const auto bad = misfit(*c, kv.value())) return fail(wrong(field + "." + c->name, *bad));
      continue;
    }
    for (std::size_t r = 0; r < list->size(); ++r)
      if (const auto bad = misfit(*c, (*list)[r])) return fail(wrong(fmt::format("{}.{}[{}]", field, c->name, r), *bad));
  }
  return rows;
}

}  // namespace

Result<Model> parse_model(const std::string& mlmodel) {
  Model m;
  try {
    const YAML::Node doc = YAML::Load(mlmodel);
    const auto flavors = doc["flavors"];
    if (const auto python = flavors["python_function"]) {
      m.has_python = true;
      if (const auto v = python["python_version"]) m.python_version = v.as<std::string>();
    }
    if (const auto onnx = flavors["onnx"]) {
      m.has_onnx = true;
      m.onnx_file = onnx["data"] ? onnx["data"].as<std::string>() : "model.onnx";
    }
    // Loaders whose models predict row by row; what a person wrote (mlflow.pyfunc.model) may look at all rows it is given.
    static const std::set<std::string> row_wise{"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost"};
    if (const auto python = doc["flavors"]["python_function"]; python && python["loader_module"])
      m.row_wise = row_wise.contains(python["loader_module"].as<std::string>());
    const auto signature = doc["signature"];
    if (signature && signature["inputs"] && !signature["inputs"].IsNull()) m.inputs_json = signature["inputs"].as<std::string>();
    if (signature && signature["outputs"] && !signature["outputs"].IsNull()) m.outputs_json = signature["outputs"].as<std::string>();
  } catch (const YAML::Exception& e) {
    return refuse(Errc::invalid, std::string("The model's MLmodel file is no YAML: ") + e.what());
  }
  if (!m.has_python && !m.has_onnx) return refuse(Errc::invalid, "The model has neither the flavour python_function nor onnx: it cannot be served");
  if (m.inputs_json.empty()) return refuse(Errc::invalid, "The model has no signature: log it with one (mlflow.models.infer_signature)");
  if (m.onnx_file.find("..") != std::string::npos || m.onnx_file.starts_with('/'))
    return refuse(Errc::invalid, "The model's onnx flavour names a file outside of its folder: " + m.onnx_file.substr(0, kShown));
  const auto inputs = json::parse(m.inputs_json);
  if (!inputs || !inputs->is_array()) return refuse(Errc::invalid, "The model's signature is not MLflow's: its inputs must be a JSON array");
  for (const auto& v : inputs->get_array()) {
    const auto* o = v.if_object();
    if (!o || !o->contains("type")) return refuse(Errc::invalid, "The model's signature has an input without a type");
    Column c;
    if (const auto* name = o->if_contains("name"); name && name->is_string()) c.name = std::string(name->get_string());
    c.type_text = o->at("type").is_string() ? std::string(o->at("type").get_string()) : boost::json::serialize(o->at("type"));
    if (c.type_text == "tensor") m.tensors = true;
    c.type = type_of(c.type_text);
    if (const auto* required = o->if_contains("required"); required && required->is_bool()) c.required = required->get_bool();
    if (const auto* optional = o->if_contains("optional"); optional && optional->is_bool()) c.required = !optional->get_bool();
    m.inputs.push_back(std::move(c));
  }
  return m;
}

Result<Scoring> check_request(const Model& m, std::string_view body) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::error_code ec;
  auto doc = boost::json::parse(body, ec, {}, options);
  bool odd = false;
  if (ec) {
    const auto marked = with_numbers_named(body);
    boost::json::error_code again;
    if (marked) doc = boost::json::parse(*marked, again, {}, options);
    if (!marked || again) return refuse(Errc::invalid, "The request's body is not valid JSON: " + ec.message());
    odd = true;
  }
  const auto* o = doc.if_object();
  constexpr std::array formats{"dataframe_split", "dataframe_records", "instances", "inputs"};
  std::string format;
  if (o)
    for (const char* f : formats)
      if (o->contains(f)) {
        if (!format.empty())
          return fail(wrong(f, "cannot be there beside '" + format + "': send one of dataframe_split, dataframe_records, instances, inputs"));
        format = f;
      }
  if (format.empty())
    return refuse(Errc::invalid, "The request must be a JSON object with one of the fields dataframe_split, dataframe_records, instances, inputs");
  for (const auto& kv : *o)
    if (const std::string_view k = kv.key(); k != format && k != "params" && k != "client_request_id" && k != "databricks_options")
      return fail(wrong(std::string(k.substr(0, kShown)), "is not known beside '" + format + "'"));
  const auto& data = o->at(format);
  Scoring out;
  const bool named = !m.inputs.empty() && !m.inputs[0].name.empty();
  if (format == "dataframe_split") {
    if (m.tensors) {
      const auto* split = data.if_object();
      const auto* rows = split ? split->if_contains("data") : nullptr;
      if (!rows || !rows->is_array()) return fail(wrong("dataframe_split.data", "is required and must be an array of rows"));
      out.rows = rows->get_array().size();
    } else {
      TARN_TRY(n, check_split(m, data));
      out.rows = n;
    }
  } else if (format == "inputs" && data.is_object()) {
    if (m.tensors)
      out.rows = 1;
    else {
      TARN_TRY(n, check_columns(m, data.get_object(), format));
      out.rows = n;
    }
  } else {
    const auto* rows = data.if_array();
    if (!rows) return fail(wrong(format, "must be an array, got " + shown(data)));
    out.rows = rows->size();
    if (!m.tensors && named && (format == "dataframe_records" || format == "instances" || (!rows->empty() && (*rows)[0].is_object()))) {
      TARN_TRY(n, check_records(m, *rows, format));
      out.rows = n;
    }
  }
  if (odd) return refuse(Errc::invalid, "The request's body is not valid JSON: it has NaN or Infinity; send null for a missing value");
  if (out.rows == 0) return fail(wrong(format, "has no rows"));
  return out;
}

std::optional<std::string> python_mismatch(const Model& m, const std::string& ours) {
  const auto minor = [](const std::string& v) { return v.substr(0, v.find('.', v.find('.') + 1)); };
  if (m.python_version.empty() || minor(m.python_version) == minor(ours)) return std::nullopt;
  return fmt::format(
      "The model was written by Python {} and its pickle can only be read by that; scorers here run Python {}. Log it again with Python {}.",
      m.python_version, ours, minor(ours));
}

json::object openapi(const std::string& endpoint, const std::string& url, const Model& m) {
  json::object properties;
  json::array required;
  for (const auto& c : m.inputs) {
    const char* type = "object";
    switch (c.type) {
      case ColumnType::boolean:
        type = "boolean";
        break;
      case ColumnType::integer:
      case ColumnType::long_:
        type = "integer";
        break;
      case ColumnType::float_:
      case ColumnType::double_:
        type = "number";
        break;
      case ColumnType::string:
      case ColumnType::binary:
      case ColumnType::datetime:
        type = "string";
        break;
      case ColumnType::other:
        break;
    }
    properties[c.name.empty() ? "value" : c.name] = json::object{{"type", type}, {"format", c.type_text}};
    if (c.required && !c.name.empty()) required.push_back(boost::json::string(c.name));
  }
  json::object record{{"type", "object"}, {"properties", properties}};
  if (!required.empty()) record["required"] = required;
  const json::object records{{"type", "object"},
                             {"properties", json::object{{"dataframe_records", json::object{{"type", "array"}, {"items", record}}}}}};
  const json::object predictions{{"type", "object"},
                                 {"properties", json::object{{"predictions", json::object{{"type", "array"}, {"items", json::object{}}}}}}};
  const json::object post{
      {"requestBody", json::object{{"content", json::object{{"application/json", json::object{{"schema", records}}}}}}},
      {"responses", json::object{{"200", json::object{{"description", "Predictions, one a row"},
                                                      {"content", json::object{{"application/json", json::object{{"schema", predictions}}}}}}}}}};
  return {{"openapi", "3.1.0"},
          {"info", json::object{{"title", endpoint}, {"version", "1"}}},
          {"servers", json::array{json::object{{"url", url}}}},
          {"paths", json::object{{"/serving-endpoints/" + endpoint + "/invocations", json::object{{"post", post}}}}}};
}

}  // namespace tarn::serving
