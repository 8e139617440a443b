#pragma once
// A served model's own description (the MLmodel file): its signature, its flavours, the Python that wrote it; and requests held against the
// signature. Pure: no I/O. Formats of requests: MLflow's scoring protocol (dataframe_split, dataframe_records, instances, inputs).
#include <string>
#include <vector>

#include "base/json.h"
#include "serving/errors.h"

namespace tarn::serving {

enum class ColumnType { boolean, integer, long_, float_, double_, string, binary, datetime, other };
BOOST_DESCRIBE_ENUM(ColumnType, boolean, integer, long_, float_, double_, string, binary, datetime, other)

struct Column {
  std::string name;  // empty where the signature has none
  ColumnType type = ColumnType::other;
  std::string type_text;
  bool required = true;
};

struct Model {
  std::vector<Column> inputs;
  bool tensors = false;  // its inputs are tensors: the model itself checks their shapes
  bool has_python = false, has_onnx = false;
  bool row_wise = false;       // its rows do not know of each other: rows of several requests may be asked in one call
  std::string python_version;  // that wrote the pyfunc flavour
  std::string onnx_file;       // relative to the model's folder
  std::string inputs_json, outputs_json;
};

/// From an MLmodel file's text. invalid: no YAML, no flavour that is served here, no signature.
Result<Model> parse_model(const std::string& mlmodel);

/// What a request's body holds; refused with the field's name (columns that miss or are not the model's, values of another type, NaN).
struct Scoring {
  std::size_t rows = 0;
};
Result<Scoring> check_request(const Model& model, std::string_view body);

/// A pickle of another Python cannot be read: why, or nothing. `ours`: like 3.11.2.
std::optional<std::string> python_mismatch(const Model& model, const std::string& ours);

/// OpenAPI 3 document of an endpoint's invocations.
json::object openapi(const std::string& endpoint, const std::string& url, const Model& model);

}  // namespace tarn::serving
