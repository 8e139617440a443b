#pragma once
// Model serving, wired: endpoints, their scorers, their inference tables.
#include "catalog/service.h"
#include "serving/routes.h"
#include "sql/executor.h"

namespace tarn::app {

/// ONNX Runtime's library among the pinned downloads; empty: it is not there.
std::string serving_onnx_library();

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

 private:
  access::ObjectPermissions& permissions_;
  store::Store& store_;
  const Clock& clock_;
};

}  // namespace tarn::app
