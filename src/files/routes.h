#pragma once
// Routes of DBFS (/api/2.0/dbfs/…) and of the Files API (/api/2.0/fs/…).
#include "api/answers.h"
#include "files/dbfs.h"
#include "files/volumes.h"

namespace tarn::files {

/// The services must outlive the routes.
std::vector<api::Route> dbfs_routes(Dbfs& dbfs);
std::vector<api::Route> volume_routes(VolumeFiles& files);
/// The two APIs spell the same refusals differently.
api::WireError wire_dbfs(const Error& error);
api::WireError wire_files(const Error& error);

/// RFC 9110 dates, "Sun, 06 Nov 1994 08:49:37 GMT": to the second.
std::string http_date(Millis at);
std::optional<Millis> from_http_date(const std::string& text);

}  // namespace tarn::files
