#include "init_scripts/routes.h"

#include "api/answers.h"

namespace tarn::init_scripts {
namespace {

using api::answer;
using api::Method;
using api::Request;

struct ScriptList {
  std::vector<ScriptDetails> scripts;
};
BOOST_DESCRIBE_STRUCT(ScriptList, (), (scripts))
struct Created {
  std::string script_id;
};
BOOST_DESCRIBE_STRUCT(Created, (), (script_id))

}  // namespace

std::vector<api::Route> routes(Scripts& s) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& path, api::Handler h) {
    out.push_back({.method = m,
                   .pattern = "/api/2.0/global-init-scripts" + path,
                   .auth = api::Auth::workspace_admin,
                   .group = "global-init-scripts",
                   .handler = std::move(h)});
  };
  row(Method::GET, "", [&s](const Request& r) -> api::Result { return api::ok(ScriptList{s.list(r.context)}); });
  row(Method::POST, "", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<ScriptRequest>(r));
    auto made = s.create(r.context, body);
    if (!made) return fail(wire(made.error()));
    return api::ok(Created{*made});
  });
  row(Method::GET, "/{script_id}", [&s](const Request& r) -> api::Result {
    auto found = s.get(r.context, r.capture("script_id"));
    if (!found) return fail(wire(found.error()));
    return api::ok(*found);
  });
  row(Method::PATCH, "/{script_id}", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<ScriptRequest>(r));
    return answer(s.update(r.context, r.capture("script_id"), body));
  });
  row(Method::DELETE, "/{script_id}", [&s](const Request& r) -> api::Result { return answer(s.remove(r.context, r.capture("script_id"))); });
  return out;
}

}  // namespace tarn::init_scripts
