#include "sql/engine_port.h"

namespace tarn::sql {
namespace {

Errc code_of(engine::Errc code) {
  switch (code) {
    case engine::Errc::sql:
      return Errc::engine;
    case engine::Errc::cancelled:
      return Errc::cancelled;
    case engine::Errc::timeout:
      return Errc::timeout;
    case engine::Errc::out_of_memory:
      return Errc::engine;
    case engine::Errc::died:
      return Errc::engine;
    case engine::Errc::unavailable:
      return Errc::unavailable;
    case engine::Errc::too_large:
      return Errc::too_large;
  }
  throw std::logic_error("an engine error code without a meaning");
}

Error translated(const engine::Error& e) {
  // Our own checks inside a statement speak the vendor's language already; the engine only puts its kind before them.
  const auto at = e.message.find("Error: [");
  if (e.code == engine::Errc::sql && at != std::string::npos) {
    auto text = e.message.substr(at + 7);
    if (const auto end = text.find("\n\nLINE "); end != std::string::npos) text.resize(end);
    return {Errc::engine, text};
  }
  return {code_of(e.code), e.message};
}

class PoolEngine final : public Engine {
 public:
  explicit PoolEngine(engine::Pool& pool) : pool_(pool) {}
  Result<engine::Summary> run(const engine::Scope& scope, const engine::Request& request, const engine::Sink& sink,
                              engine::CancelToken* cancel) override {
    auto r = pool_.run(scope, request, sink, cancel);
    if (!r) return fail(translated(r.error()));
    return *std::move(r);
  }
  Result<std::vector<engine::WrittenFile>> write(const engine::Scope& scope, const engine::WriteRequest& request,
                                                 engine::CancelToken* cancel) override {
    auto r = pool_.write_parquet(scope, request, cancel);
    if (!r) return fail(translated(r.error()));
    return *std::move(r);
  }
  Result<std::vector<engine::Column>> describe(const engine::Scope& scope, const std::string& sql, engine::CancelToken* cancel) override {
    auto r = pool_.describe(scope, sql, cancel);
    if (!r) return fail(translated(r.error()));
    return *std::move(r);
  }

 private:
  engine::Pool& pool_;
};

}  // namespace

std::unique_ptr<Engine> pool_engine(engine::Pool& pool) { return std::make_unique<PoolEngine>(pool); }

}  // namespace tarn::sql
