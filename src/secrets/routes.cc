#include "secrets/routes.h"

#include "api/answers.h"

namespace tarn::secrets {
namespace {

using api::answer;
using api::Method;
using api::Request;

struct ScopeName {
  std::string scope;
};
BOOST_DESCRIBE_STRUCT(ScopeName, (), (scope))
struct SecretName {
  std::string scope, key;
};
BOOST_DESCRIBE_STRUCT(SecretName, (), (scope, key))
struct PutSecret {
  std::string scope, key;
  std::optional<std::string> string_value, bytes_value;  // exactly one; the second in base64
};
BOOST_DESCRIBE_STRUCT(PutSecret, (), (scope, key, string_value, bytes_value))
struct AclName {
  std::string scope, principal;
};
BOOST_DESCRIBE_STRUCT(AclName, (), (scope, principal))
struct PutAcl {
  std::string scope, principal;
  Permission permission = Permission::READ;
};
BOOST_DESCRIBE_STRUCT(PutAcl, (), (scope, principal, permission))
struct ScopeList {
  std::vector<ScopeInfo> scopes;
};
BOOST_DESCRIBE_STRUCT(ScopeList, (), (scopes))
struct SecretList {
  std::vector<SecretInfo> secrets;
};
BOOST_DESCRIBE_STRUCT(SecretList, (), (secrets))
struct AclList {
  std::vector<AclItem> items;
};
BOOST_DESCRIBE_STRUCT(AclList, (), (items))
struct SecretValue {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(SecretValue, (), (key, value))

Expected<std::string, api::WireError> asked(const Request& r, const std::string& name) {
  auto value = r.param(name);
  if (!value || value->empty()) return fail(api::bad_request("Parameter '" + name + "' is required"));
  return *std::move(value);
}

Expected<std::string, api::WireError> value_of(const PutSecret& p) {
  if (p.string_value.has_value() == p.bytes_value.has_value())
    return fail(api::bad_request("Exactly one of the fields 'string_value' and 'bytes_value' must be set"));
  if (p.string_value) return *p.string_value;
  auto bytes = crypto::from_base64(*p.bytes_value);
  if (!bytes) return fail(api::bad_request("Field 'bytes_value' must be base64"));
  return *std::move(bytes);
}

}  // namespace

std::vector<api::Route> routes(Scopes& s) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& path, api::Handler h) {
    out.push_back({.method = m, .pattern = "/api/2.0/secrets" + path, .group = "secrets", .handler = std::move(h)});
  };
  row(Method::POST, "/scopes/create", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewScope>(r));
    return answer(s.create(r.context, body));
  });
  row(Method::POST, "/scopes/delete", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<ScopeName>(r));
    return answer(s.remove(r.context, body.scope));
  });
  row(Method::GET, "/scopes/list", [&s](const Request& r) -> api::Result { return api::ok(ScopeList{s.list(r.context)}); });
  row(Method::POST, "/put", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PutSecret>(r));
    TARN_TRY(value, value_of(body));
    return answer(s.put(r.context, body.scope, body.key, value));
  });
  row(Method::POST, "/delete", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<SecretName>(r));
    return answer(s.remove_secret(r.context, body.scope, body.key));
  });
  row(Method::GET, "/list", [&s](const Request& r) -> api::Result {
    TARN_TRY(scope, asked(r, "scope"));
    auto found = s.secrets(r.context, scope);
    if (!found) return fail(wire(found.error()));
    return api::ok(SecretList{*std::move(found)});
  });
  row(Method::GET, "/get", [&s](const Request& r) -> api::Result {
    TARN_TRY(scope, asked(r, "scope"));
    TARN_TRY(key, asked(r, "key"));
    auto value = s.get(r.context, scope, key);
    if (!value) return fail(wire(value.error()));
    return api::ok(SecretValue{key, crypto::base64(*value)});
  });
  row(Method::POST, "/acls/put", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PutAcl>(r));
    return answer(s.put_acl(r.context, body.scope, {body.principal, body.permission}));
  });
  row(Method::POST, "/acls/delete", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<AclName>(r));
    return answer(s.remove_acl(r.context, body.scope, body.principal));
  });
  row(Method::GET, "/acls/list", [&s](const Request& r) -> api::Result {
    TARN_TRY(scope, asked(r, "scope"));
    auto found = s.acls(r.context, scope);
    if (!found) return fail(wire(found.error()));
    return api::ok(AclList{*std::move(found)});
  });
  row(Method::GET, "/acls/get", [&s](const Request& r) -> api::Result {
    TARN_TRY(scope, asked(r, "scope"));
    TARN_TRY(principal, asked(r, "principal"));
    auto found = s.acl(r.context, scope, principal);
    if (!found) return fail(wire(found.error()));
    return api::ok(*found);
  });
  return out;
}

}  // namespace tarn::secrets
