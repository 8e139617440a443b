#include "app/serving_room.h"

#include <filesystem>

#include "base/resources.h"
#include "cli/child_process.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

/// A statement's first value, as text.
class FirstValue final : public sql::ResultSink {
 public:
  void schema(std::vector<sql::ResultColumn>) override {}
  bool chunk(std::string content, std::int64_t rows) override {
    if (rows == 0 || !value.empty()) return true;
    if (const auto v = json::parse(content))
      if (const auto* a = v->if_array(); a && !a->empty() && a->front().is_array() && !a->front().get_array().empty()) {
        const auto& first = a->front().get_array().front();
        value = first.is_string() ? std::string(first.get_string()) : boost::json::serialize(first);
      }
    return true;
  }
  std::string value;
};

/// All of a statement's rows, in memory.
class AllRows final : public sql::ResultSink {
 public:
  void schema(std::vector<sql::ResultColumn> columns) override {
    for (auto& c : columns) rows.types.push_back(std::move(c.type));
  }
  bool chunk(std::string content, std::int64_t) override {
    const auto v = json::parse(content);
    if (!v || !v->is_array()) return false;
    for (const auto& r : v->get_array()) {
      auto& row = rows.rows.emplace_back();
      for (const auto& cell : r.as_array()) row.push_back(cell.is_string() ? std::optional<std::string>(cell.get_string()) : std::nullopt);
    }
    return true;
  }
  features::Rows rows;
};

serving::RuntimeOptions runtime_options(const ServingRoom::Ground& g) {
  serving::RuntimeOptions o;
  o.program = cli::own_binary();
  o.environment = (resources::cache() / "mlflow-venv").string();
  o.scripts = resources::shipped("src/serving/scorer").string();
  o.models = g.data + "/serving/models";
  const auto onnx = fs::path(o.program).parent_path() / "tarn-onnx";
  const auto library = serving_onnx_library();
  if (fs::exists(onnx) && !library.empty()) {
    o.onnx_program = onnx.string();
    o.onnx_library = library;
  }
  o.idle = std::chrono::seconds(g.idle_seconds);
  o.request_timeout = std::chrono::seconds(g.timeout_seconds);
  fs::create_directories(o.models);
  return o;
}

}  // namespace

std::string serving_onnx_library() {
  std::error_code ignored;
  for (const auto& release : fs::directory_iterator(resources::cache(), ignored)) {
    if (!release.path().filename().string().starts_with("onnxruntime-")) continue;
    for (const auto& f : fs::directory_iterator(release.path() / "onnxruntime/capi", ignored))
      if (f.path().filename().string().starts_with("libonnxruntime.so")) return f.path().string();
  }
  return "";
}

Expected<std::string, std::string> ServedModels::type_of(const access::Context& ctx, const std::string& endpoint) {
  auto out = batches_.type_of(ctx, endpoint);
  if (!out) return fail(out.error().message);
  return *std::move(out);
}

Expected<std::vector<engine::Answer>, std::string> ServedModels::ask(const access::Context& ctx, const engine::Question& question,
                                                                     const std::function<bool()>& ends) {
  auto answers = batches_.ask(ctx, question.name, question.inputs, question.each, ends);
  if (!answers) return fail(answers.error().message);
  std::vector<engine::Answer> out;
  for (auto& a : *answers) {
    using Kind = serving::RowAnswer::Kind;
    out.push_back({a.kind == Kind::null     ? engine::Answer::Kind::null
                   : a.kind == Kind::failed ? engine::Answer::Kind::failed
                                            : engine::Answer::Kind::value,
                   std::move(a.text)});
  }
  return out;
}

ServingRoom::ServingRoom(const Ground& g)
    : online([&executor = g.executor](const access::Context& ctx, const std::string& sql) -> features::Result<features::Rows> {
        AllRows sink;
        sql::Session session{.ctx = ctx};
        const auto done = executor.run(session, sql, {.timeout_ms = 120'000}, sink);
        if (!done) return fail(done.error().message);
        return std::move(sink.rows);
      }),
      endpoints(g.store, g.permissions, g.catalog.models(), g.catalog, g.clock),
      runtime(endpoints, g.catalog.models(), g.directory, g.objects, g.store, online, runtime_options(g)),
      capture(g.data + "/serving/capture", g.directory,
              [&executor = g.executor](const access::Context& ctx, const std::string& sql) -> Expected<std::string, std::string> {
                FirstValue sink;
                sql::Session session{.ctx = ctx};
                session.statement_id = ctx.request_id;
                const auto done = executor.run(session, sql, {.timeout_ms = 120'000}, sink);
                if (!done) return fail(done.error().message);
                return sink.value;
              }),
      models(runtime, capture, g.permissions, g.clock),
      questions(models),
      permissions_(g.permissions),
      store_(g.store),
      clock_(g.clock) {}

std::vector<api::Route> ServingRoom::routes() { return serving::routes({endpoints, runtime, capture, permissions_, store_, clock_}); }

void ServingRoom::start() {
  capture.start();
  online.start();
  runtime.start();
}

void ServingRoom::stop() {
  runtime.stop();
  online.stop();
  capture.stop();
}

}  // namespace tarn::app
