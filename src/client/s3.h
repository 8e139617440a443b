#pragma once
// An object upload with temporary credentials, signed by libcurl (SigV4): what any S3 client of a user would do.
#include <string>

#include "client/session.h"

namespace tarn::client {

struct S3Credentials {
  std::string access_key_id, secret_access_key, session_token;
};

/// PUT of a local file at endpoint/bucket/key (path style). The error text is the storage's own.
Result<void> put_object(const std::string& endpoint, const std::string& ca_file, const std::string& region, const S3Credentials& credentials,
                        const std::string& bucket, const std::string& key, const std::string& file);

}  // namespace tarn::client
