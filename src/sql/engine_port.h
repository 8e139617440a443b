#pragma once
// The engine as this room calls it: what engine::Pool offers, behind an interface so that policy is tested without a process.
#include "engine/engine.h"
#include "sql/errors.h"

namespace tarn::sql {

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Result<engine::Summary> run(const engine::Scope& scope, const engine::Request& request, const engine::Sink& sink,
                                      engine::CancelToken* cancel) = 0;
  virtual Result<std::vector<engine::WrittenFile>> write(const engine::Scope& scope, const engine::WriteRequest& request,
                                                         engine::CancelToken* cancel) = 0;
  virtual Result<std::vector<engine::Column>> describe(const engine::Scope& scope, const std::string& sql, engine::CancelToken* cancel) = 0;
};

std::unique_ptr<Engine> pool_engine(engine::Pool& pool);

}  // namespace tarn::sql
