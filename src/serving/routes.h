#pragma once
// /api/2.0/serving-endpoints and /serving-endpoints/NAME/invocations over HTTP, and the one mapping from this room's errors to the wire.
#include "api/answers.h"
#include "serving/capture.h"
#include "serving/runtime.h"

namespace tarn::serving {

struct Doors {
  Endpoints& endpoints;
  Runtime& runtime;
  CaptureLog& capture;
  access::ObjectPermissions& permissions;
  store::Store& store;
  const Clock& clock;
};
std::vector<api::Route> routes(Doors doors);
/// Of one request to a model: permission, limits, signature, queue, scorer, capture. routes_invoke.cc.
void add_invocation_routes(std::vector<api::Route>& out, Doors doors);

api::WireError wire(const Error& e);

}  // namespace tarn::serving
