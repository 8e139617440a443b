#include "api/answers.h"
#include "settings/room.h"

namespace tarn::settings {
namespace {

using api::lifted;
using api::Method;
using api::Request;
using api::Surface;

struct Place {
  std::string base;
  Surface surface;
  api::Auth auth;
};
const Place kWorkspace{"/api/2.0", Surface::workspace, api::Auth::workspace_admin};
const Place kAccount{"/api/2.0/accounts/{account_id}", Surface::account, api::Auth::account_admin};

api::Route row(const Place& place, Method method, const std::string& path, const char* group, api::Handler handler) {
  return {.method = method,
          .pattern = place.base + path,
          .surface = place.surface,
          .auth = place.auth,
          .group = group,
          .handler = api::Handler([handler = std::move(handler)](const Request& r) -> api::Result {
            TARN_CHECK(api::this_account(r));
            return handler(r);
          })};
}

struct SettingBody {
  std::optional<bool> allow_missing;
  json::value setting;
  std::optional<std::string> field_mask;
};
BOOST_DESCRIBE_STRUCT(SettingBody, (), (allow_missing, setting, field_mask))

std::vector<std::string> comma_separated(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (auto one = text.substr(0, comma); !one.empty()) out.emplace_back(one);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
  }
  return out;
}

}  // namespace

api::WireError wire(const Error& e) {
  auto out = api::wire<Errc>(e);
  // Where the vendor answers with the etag to write with, clients read it from the ErrorInfo.
  if (e.code == Errc::setting_unset || e.code == Errc::conflict)
    out.details.push_back(json::object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                                       {"reason", out.error_code},
                                       {"domain", "settings.databricks.com"},
                                       {"metadata", json::object{{"etag", e.etag}}}});
  return out;
}

std::vector<api::Route> Room::routes() {
  std::vector<api::Route> out;
  for (const auto* base : {"/api/2.0", "/api/2.0/preview"}) {
    const Place at{base, Surface::workspace, api::Auth::workspace_admin};
    out.push_back(row(at, Method::GET, "/workspace-conf", "workspace-conf", [this](const Request& r) -> api::Result {
      const auto keys = comma_separated(r.param("keys").value_or(""));
      if (keys.empty()) return fail(api::bad_request("Parameter 'keys' is required"));
      TARN_TRY(values, lifted(conf_.get(r.context, keys)));
      json::object body;
      for (const auto& [k, v] : values) body[k] = v ? json::value(*v) : json::value(nullptr);
      return api::ok(json::value(std::move(body)));
    }));
    out.push_back(row(at, Method::PATCH, "/workspace-conf", "workspace-conf", [this](const Request& r) -> api::Result {
      TARN_TRY(values, (api::body_of<std::map<std::string, std::string>>(r)));
      TARN_CHECK(lifted(conf_.set(r.context, values)));
      return api::Reply{.status = 204};
    }));
  }
  for (const auto& place : {kWorkspace, kAccount}) {
    const std::string lists = "/ip-access-lists", one = lists + "/{list_id}";
    out.push_back(row(place, Method::GET, lists, "ip-access-lists", [this](const Request& r) -> api::Result {
      json::object body;
      if (const auto all = ip_lists_.list(r.context); !all.empty()) body["ip_access_lists"] = json::encode(all);
      return api::ok(json::value(std::move(body)));
    }));
    out.push_back(row(place, Method::POST, lists, "ip-access-lists", [this](const Request& r) -> api::Result {
      TARN_TRY(body, api::body_of<IpListRequest>(r));
      TARN_TRY(made, lifted(ip_lists_.create(r.context, body)));
      return api::ok(json::value(json::object{{"ip_access_list", json::encode(made)}}));
    }));
    out.push_back(row(place, Method::GET, one, "ip-access-lists", [this](const Request& r) -> api::Result {
      TARN_TRY(found, lifted(ip_lists_.get(r.context, r.capture("list_id"))));
      return api::ok(json::value(json::object{{"ip_access_list", json::encode(found)}}));
    }));
    for (const auto method : {Method::PUT, Method::PATCH})
      out.push_back(row(place, method, one, "ip-access-lists", [this, method](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<IpListRequest>(r));
        TARN_CHECK(lifted(ip_lists_.change(r.context, r.capture("list_id"), body, method == Method::PUT)));
        return api::ok();
      }));
    out.push_back(row(place, Method::DELETE, one, "ip-access-lists", [this](const Request& r) -> api::Result {
      TARN_CHECK(lifted(ip_lists_.remove(r.context, r.capture("list_id"))));
      return api::ok();
    }));

    const bool account = place.surface == Surface::account;
    const auto read = [this](const std::string& type) {
      return [this, type](const Request& r) -> api::Result {
        TARN_TRY(found, lifted(settings_.get(r.context, type, r.capture("name"))));
        return api::ok(found);
      };
    };
    const auto write = [this](const std::string& type) {
      return [this, type](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<SettingBody>(r));
        TARN_TRY(found, lifted(settings_.set(r.context, type, r.capture("name"), body.setting)));
        return api::ok(found);
      };
    };
    const auto path = [](const std::string& type) { return "/settings/types/" + type + "/names/{name}"; };
    for (const auto& type : TypedSettings::types(account)) {
      out.push_back(row(place, Method::GET, path(type), "settings", read(type)));
      out.push_back(row(place, Method::PATCH, path(type), "settings", write(type)));
      out.push_back(row(place, Method::DELETE, path(type), "settings", [this, type](const Request& r) -> api::Result {
        TARN_TRY(etag, lifted(settings_.remove(r.context, type, r.capture("name"), r.param("etag").value_or(""))));
        return api::ok(json::value(json::object{{"etag", etag}}));
      }));
    }
    for (const auto& type : TypedSettings::not_enabled(account)) {
      out.push_back(row(place, Method::GET, path(type), "settings", read(type)));
      out.push_back(row(place, Method::PATCH, path(type), "settings", write(type)));
    }
  }
  return out;
}

}  // namespace tarn::settings
