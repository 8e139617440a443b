// Storage credentials, external locations and temporary credentials on the workspace host.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct TableCredentialRequest {
  std::string table_id;
  TableOperation operation = TableOperation::READ;
};
BOOST_DESCRIBE_STRUCT(TableCredentialRequest, (), (table_id, operation))
struct PathCredentialRequest {
  std::string url;
  PathOperation operation = PathOperation::PATH_READ;
  std::optional<bool> dry_run;
};
BOOST_DESCRIBE_STRUCT(PathCredentialRequest, (), (url, operation, dry_run))
struct VolumeCredentialRequest {
  std::string volume_id;
  VolumeOperation operation = VolumeOperation::READ_VOLUME;
};
BOOST_DESCRIBE_STRUCT(VolumeCredentialRequest, (), (volume_id, operation))

void add_temporary(std::vector<api::Route>& out, Temporary& temporary, const std::string& base) {
  const auto row = [&](const std::string& path, api::Handler h) {
    out.push_back({.method = Method::POST,
                   .pattern = base + path,
                   .surface = api::Surface::workspace,
                   .auth = api::Auth::authenticated,
                   .group = "temporary-credentials",
                   .handler = std::move(h)});
  };
  row("/temporary-table-credentials", [&temporary](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<TableCredentialRequest>(r));
    return answer(temporary.for_table(r.context, body.table_id, body.operation));
  });
  row("/temporary-path-credentials", [&temporary](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PathCredentialRequest>(r));
    return answer(temporary.for_path(r.context, body.url, body.operation, body.dry_run.value_or(false)));
  });
  row("/temporary-volume-credentials", [&temporary](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<VolumeCredentialRequest>(r));
    return answer(temporary.for_volume(r.context, body.volume_id, body.operation));
  });
}

}  // namespace

void add_storage_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& c = uc.credentials();
  auto& l = uc.locations();
  const std::optional<std::string> here;  // the workspace's metastore

  out.push_back(uc_row(Method::POST, "/storage-credentials", "storage-credentials", [&c, here](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewCredential>(r));
    return answer(c.create(r.context, here, body));
  }));
  out.push_back(uc_row(Method::GET, "/storage-credentials", "storage-credentials", [&c, here](const Request& r) -> api::Result {
    TARN_TRY(page, page_request(r, "credentials", 1000));
    return paged("storage_credentials", "credentials", c.list(r.context, here, page));
  }));
  out.push_back(uc_row(Method::GET, "/storage-credentials/{name}", "storage-credentials",
                       [&c, here](const Request& r) { return answer(c.get(r.context, here, r.capture("name"))); }));
  out.push_back(uc_row(Method::PATCH, "/storage-credentials/{name}", "storage-credentials", [&c, here](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CredentialChange>(r));
    return answer(c.update(r.context, here, r.capture("name"), body));
  }));
  out.push_back(uc_row(Method::DELETE, "/storage-credentials/{name}", "storage-credentials", [&c, here](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(c.remove(r.context, here, r.capture("name"), force));
  }));
  out.push_back(uc_row(Method::POST, "/validate-storage-credentials", "storage-credentials", [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Validation>(r));
    return answer(c.validate(r.context, body));
  }));

  out.push_back(uc_row(Method::POST, "/external-locations", "external-locations", [&l](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewLocation>(r));
    return answer(l.create(r.context, body));
  }));
  out.push_back(uc_row(Method::GET, "/external-locations", "external-locations", [&l](const Request& r) -> api::Result {
    TARN_TRY(page, page_request(r, "locations", 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("external_locations", "locations", l.list(r.context, page, browse));
  }));
  out.push_back(uc_row(Method::GET, "/external-locations/{name}", "external-locations", [&l](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(l.get(r.context, r.capture("name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, "/external-locations/{name}", "external-locations", [&l](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LocationChange>(r));
    return answer(l.update(r.context, r.capture("name"), body));
  }));
  out.push_back(uc_row(Method::DELETE, "/external-locations/{name}", "external-locations", [&l](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(l.remove(r.context, r.capture("name"), force));
  }));
  add_temporary(out, uc.temporary(), "/api/2.0/unity-catalog");
  add_temporary(out, uc.temporary(), "/api/2.1/unity-catalog");
}

}  // namespace tarn::catalog
