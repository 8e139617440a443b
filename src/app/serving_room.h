#pragma once
// Model serving, wired: endpoints, their scorers, their inference tables.
#include "catalog/service.h"
#include "serving/batch.h"
#include "serving/routes.h"
#include "sql/executor.h"

namespace tarn::app {

/// ONNX Runtime's library among the pinned downloads; empty: it is not there.
std::string serving_onnx_library();

/// Endpoints as SQL asks them (ai_query).
class ServedModels final : public sql::Models {
 public:
  ServedModels(serving::Runtime& runtime, serving::CaptureLog& capture, access::ObjectPermissions& permissions, const Clock& clock)
      : batches_(runtime, capture, permissions, clock) {}
  Expected<std::string, std::string> type_of(const access::Context& ctx, const std::string& endpoint) override;
  Expected<std::vector<engine::Answer>, std::string> ask(const access::Context& ctx, const engine::Question& question,
                                                         const std::function<bool()>& ends) override;

 private:
  serving::Batches batches_;
};

struct ServingRoom {
  struct Ground {
    store::Store& store;
    access::ObjectPermissions& permissions;
    catalog::UnityCatalog& catalog;
    identity::Directory& directory;
    objects::ObjectStore& objects;
    sql::Executor& executor;
    const Clock& clock;
    std::string data;  // the data folder
    int idle_seconds, timeout_seconds;
  };
  explicit ServingRoom(const Ground& ground);
  std::vector<api::Route> routes();
  void start();
  void stop();

  features::Online online;
  serving::Endpoints endpoints;
  serving::Runtime runtime;
  serving::CaptureLog capture;
  ServedModels models;
  sql::Questions questions;

 private:
  access::ObjectPermissions& permissions_;
  store::Store& store_;
  const Clock& clock_;
};

}  // namespace tarn::app
