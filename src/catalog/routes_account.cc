// The account host: metastores, their assignments and storage credentials, as the SDKs' account clients and the Terraform provider call them.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct CreateBody {
  NewMetastore metastore_info;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (metastore_info))
struct UpdateBody {
  MetastoreChange metastore_info;
};
BOOST_DESCRIBE_STRUCT(UpdateBody, (), (metastore_info))
struct MetastoreReply {
  MetastoreInfo metastore_info;
};
BOOST_DESCRIBE_STRUCT(MetastoreReply, (), (metastore_info))
struct AssignmentRequest {
  std::optional<std::string> metastore_id, default_catalog_name;
};
BOOST_DESCRIBE_STRUCT(AssignmentRequest, (), (metastore_id, default_catalog_name))
struct AssignmentBody {
  std::optional<AssignmentRequest> metastore_assignment;
};
BOOST_DESCRIBE_STRUCT(AssignmentBody, (), (metastore_assignment))
struct AssignmentReply {
  Assignment metastore_assignment;
};
BOOST_DESCRIBE_STRUCT(AssignmentReply, (), (metastore_assignment))
struct CredentialBody {
  NewCredential credential_info;
};
BOOST_DESCRIBE_STRUCT(CredentialBody, (), (credential_info))
struct CredentialUpdateBody {
  CredentialChange credential_info;
};
BOOST_DESCRIBE_STRUCT(CredentialUpdateBody, (), (credential_info))
struct CredentialReply {
  CredentialInfo credential_info;
};
BOOST_DESCRIBE_STRUCT(CredentialReply, (), (credential_info))

template <class Reply, class T>
api::Result wrapped(const Result<T>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok(Reply{*r});
}

}  // namespace

void add_account_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& m = uc.metastores();
  auto& c = uc.credentials();
  const std::string one = "/metastores/{metastore_id}", assignment = "/workspaces/{workspace_id}/metastores/{metastore_id}";
  const std::string credentials = one + "/storage-credentials", credential = credentials + "/{name}";

  out.push_back(api::account_row(Method::POST, "/metastores", "account-metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CreateBody>(r));
    return wrapped<MetastoreReply>(m.create(r.context, body.metastore_info));
  }));
  out.push_back(api::account_row(Method::GET, "/metastores", "account-metastores", [&m](const Request& r) -> api::Result {
    const auto all = m.list(r.context);
    if (!all) return fail(wire(all.error()));
    return api::ok(json::value(json::object{{"metastores", json::encode(*all)}}));
  }));
  out.push_back(api::account_row(Method::GET, one, "account-metastores",
                                 [&m](const Request& r) { return wrapped<MetastoreReply>(m.get(r.context, r.capture("metastore_id"))); }));
  out.push_back(api::account_row(Method::PUT, one, "account-metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<UpdateBody>(r));
    return wrapped<MetastoreReply>(m.update(r.context, r.capture("metastore_id"), body.metastore_info));
  }));
  out.push_back(api::account_row(Method::DELETE, one, "account-metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(m.remove(r.context, r.capture("metastore_id"), force));
  }));
  out.push_back(api::account_row(Method::GET, one + "/workspaces", "account-metastore-assignments", [&m](const Request& r) -> api::Result {
    const auto ids = m.workspaces(r.context, r.capture("metastore_id"));
    if (!ids) return fail(wire(ids.error()));
    return api::ok(json::value(json::object{{"workspace_ids", json::encode(*ids)}}));
  }));

  out.push_back(api::account_row(Method::POST, assignment, "account-metastore-assignments", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    TARN_TRY(body, api::body_of<AssignmentBody>(r));
    return answer(m.assign(r.context, id, r.capture("metastore_id"),
                           body.metastore_assignment ? body.metastore_assignment->default_catalog_name : std::nullopt, false));
  }));
  out.push_back(api::account_row(Method::PUT, assignment, "account-metastore-assignments", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    TARN_TRY(body, api::body_of<AssignmentBody>(r));
    const auto a = body.metastore_assignment.value_or(AssignmentRequest{});
    return answer(m.update_assignment(r.context, id, a.metastore_id ? *a.metastore_id : r.capture("metastore_id"), a.default_catalog_name));
  }));
  out.push_back(api::account_row(Method::DELETE, assignment, "account-metastore-assignments", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    return answer(m.unassign(r.context, id, r.capture("metastore_id")));
  }));
  out.push_back(
      api::account_row(Method::GET, "/workspaces/{workspace_id}/metastore", "account-metastore-assignments", [&m](const Request& r) -> api::Result {
        TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
        return wrapped<AssignmentReply>(m.assignment(r.context, id));
      }));

  out.push_back(api::account_row(Method::POST, credentials, "account-storage-credentials", [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CredentialBody>(r));
    return wrapped<CredentialReply>(c.create(r.context, r.capture("metastore_id"), body.credential_info));
  }));
  out.push_back(api::account_row(Method::GET, credentials, "account-storage-credentials", [&c](const Request& r) -> api::Result {
    return paged("storage_credentials", "account-credentials", c.list(r.context, r.capture("metastore_id"), {}));
  }));
  out.push_back(api::account_row(Method::GET, credential, "account-storage-credentials", [&c](const Request& r) {
    return wrapped<CredentialReply>(c.get(r.context, r.capture("metastore_id"), r.capture("name")));
  }));
  out.push_back(api::account_row(Method::PUT, credential, "account-storage-credentials", [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CredentialUpdateBody>(r));
    return wrapped<CredentialReply>(c.update(r.context, r.capture("metastore_id"), r.capture("name"), body.credential_info));
  }));
  out.push_back(api::account_row(Method::DELETE, credential, "account-storage-credentials", [&c](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(c.remove(r.context, r.capture("metastore_id"), r.capture("name"), force));
  }));
}

}  // namespace tarn::catalog
