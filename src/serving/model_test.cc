// Models' own descriptions, and requests held against their signatures: what the wire's tests do not come by.
#include "serving/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tarn::serving {
namespace {

using testing::HasSubstr;

constexpr const char* kPython = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.11.2\n";

std::string signed_by(const std::string& inputs, const std::string& flavours = kPython) {
  return flavours + "signature:\n  inputs: '" + inputs + "'\n";
}

Model model(const std::string& inputs, const std::string& flavours = kPython) {
  auto m = parse_model(signed_by(inputs, flavours));
  EXPECT_TRUE(m) << (m ? "" : m.error().message);
  return m ? *std::move(m) : Model{};
}
/// Rows, or the refusal.
std::string asked(const Model& m, const std::string& body) {
  const auto r = check_request(m, body);
  if (r) return std::to_string(r->rows);
  EXPECT_EQ(r.error().code, Errc::invalid);
  return r.error().message;
}

const std::string kMixed =
    R"([{"name": "d", "type": "double"}, {"name": "l", "type": "long"}, {"name": "i", "type": "integer", "required": false}, {"name": "s", "type": "string"}, {"name": "b", "type": "boolean", "required": false}])";

TEST(Model, IsReadFromItsFile) {
  const auto m = model(kMixed, std::string(kPython) + "  onnx:\n    data: m.onnx\n");
  EXPECT_TRUE(m.has_python && m.has_onnx && m.row_wise && !m.tensors);
  EXPECT_EQ(m.onnx_file, "m.onnx");
  EXPECT_EQ(m.python_version, "3.11.2");
  ASSERT_EQ(m.inputs.size(), 5u);
  EXPECT_EQ(m.inputs[1].type, ColumnType::long_);
  EXPECT_TRUE(m.inputs[0].required && !m.inputs[2].required);
  EXPECT_FALSE(model(kMixed, "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n").row_wise)
      << "a person's code may look at all rows";
  EXPECT_TRUE(model(R"([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}])").tensors);
}

TEST(Model, ThatCannotBeServedIsRefused) {
  const auto why = [](const std::string& text) {
    const auto m = parse_model(text);
    return m ? "served" : m.error().message;
  };
  EXPECT_THAT(why("flavors: ["), HasSubstr("is no YAML"));
  EXPECT_THAT(why("flavors:\n  spark: {}\n"), HasSubstr("neither the flavour python_function nor onnx"));
  EXPECT_THAT(why(kPython), HasSubstr("has no signature"));
  EXPECT_THAT(why(signed_by("{}")), HasSubstr("must be a JSON array"));
  EXPECT_THAT(why(signed_by(R"([{"name": "a"}])")), HasSubstr("an input without a type"));
  for (const char* path : {"../x.onnx", "/etc/passwd", "a/../../x"})
    EXPECT_THAT(why(signed_by(kMixed, std::string("flavors:\n  onnx:\n    data: ") + path + "\n")), HasSubstr("outside of its folder")) << path;
}

TEST(Request, ValuesFitTheirColumns) {
  const auto m = model(kMixed);
  const auto row = [&](const std::string& fields) { return asked(m, R"({"dataframe_records": [{)" + fields + "}]}"); };
  EXPECT_EQ(row(R"("d": 1, "l": 2, "s": "x")"), "1");
  EXPECT_EQ(row(R"("d": null, "l": 2.0, "s": null, "i": null, "b": true)"), "1") << "null is a missing number or text";
  EXPECT_THAT(row(R"("d": 1, "l": null, "s": "x")"), HasSubstr("dataframe_records[0].l' is null, but the column is a required long"));
  EXPECT_THAT(row(R"("d": 1, "l": 2.5, "s": "x")"), HasSubstr("must be a long, got 2.5"));
  EXPECT_THAT(row(R"("d": "1", "l": 2, "s": "x")"), HasSubstr("must be a double, got \"1\""));
  EXPECT_THAT(row(R"("d": 1, "l": 2, "s": 3)"), HasSubstr("must be a string, got 3"));
  EXPECT_THAT(row(R"("d": 1, "l": 2, "s": "x", "i": 3000000000)"), HasSubstr("must be an integer, got 3000000000"));
  EXPECT_THAT(row(R"("d": 1, "l": 2, "s": "x", "b": 1)"), HasSubstr("must be a boolean, got 1"));
  EXPECT_THAT(row(R"("d": 1, "s": "x")"), HasSubstr("misses the column 'l' (long)"));
  EXPECT_THAT(row(R"("d": 1, "l": 9e15, "s": "x")"), HasSubstr("must be a long"));
  EXPECT_THAT(asked(m, R"({"dataframe_split": {"columns": ["d", "l", "s", "d"], "data": []}})"), HasSubstr("names column 'd' twice"));
  EXPECT_THAT(asked(m, R"({"dataframe_split": {"data": [[1, 2, 3, "x", true]]}})"), HasSubstr("dataframe_split.columns' is required"));
  EXPECT_THAT(asked(m, R"({"inputs": {"d": [1, 2], "l": [1], "s": ["a", "b"]}})"), HasSubstr("has 1 values where other columns have 2"));
  EXPECT_EQ(asked(m, R"({"inputs": {"d": 1, "l": 1, "s": "a"}, "params": {}, "client_request_id": "x"})"), "1");
  EXPECT_THAT(asked(m, R"({"inputs": {"d": 1, "l": 1, "s": "a"}, "signature_name": "x"})"),
              HasSubstr("'signature_name' is not known beside 'inputs'"));
}

TEST(Request, ATextThatSaysNaNIsNoNaN) {
  const auto m = model(R"([{"name": "s", "type": "string"}, {"name": "d", "type": "double"}])");
  EXPECT_EQ(asked(m, R"({"dataframe_records": [{"s": "NaN \" Infinity", "d": 1}]})"), "1");
  EXPECT_THAT(asked(m, R"({"dataframe_records": [{"s": "a", "d": -Infinity}]})"), HasSubstr("d' is -Infinity, which is no JSON"));
  EXPECT_THAT(asked(m, R"({"dataframe_records": [{"s": "NaN", "d": NaN]})"), HasSubstr("not valid JSON"));
}

TEST(Request, WithoutColumnNamesRowsAreByPlace) {
  const auto m = model(R"([{"type": "double"}, {"type": "double"}])");
  EXPECT_EQ(asked(m, R"({"dataframe_split": {"data": [[1, 2], [3, 4]]}})"), "2");
  EXPECT_THAT(asked(m, R"({"dataframe_split": {"data": [[1, 2], [3]]}})"), HasSubstr("data[1]' must have 2 values, one a column; it has 1"));
  EXPECT_EQ(asked(m, R"({"inputs": [[1, 2]]})"), "1");
}

TEST(Request, IsNotReadDeeperThanSixtyFour) {
  const auto m = model(R"([{"type": "tensor"}])");
  const auto nested = [](int n) {
    return R"({"inputs": )" + std::string(static_cast<std::size_t>(n), '[') + std::string(static_cast<std::size_t>(n), ']') + "}";
  };
  EXPECT_EQ(asked(m, R"({"inputs": [[[1, 2]], [[3, 4]]]})"), "2");
  EXPECT_THAT(asked(m, nested(100'000)), HasSubstr("not valid JSON"));
}

TEST(Model, OfAnotherPythonIsToldApart) {
  Model m;
  m.python_version = "3.10.4";
  EXPECT_THAT(python_mismatch(m, "3.11.2").value_or(""), HasSubstr("written by Python 3.10.4"));
  EXPECT_FALSE(python_mismatch(m, "3.10.12"));
  m.python_version = "3.1.4";
  EXPECT_TRUE(python_mismatch(m, "3.11.2")) << "3.1 is not 3.11";
  m.python_version.clear();
  EXPECT_FALSE(python_mismatch(m, "3.11.2"));
}

}  // namespace
}  // namespace tarn::serving
