#pragma once
// Trying storage before it is relied on. Blocks on the object store: never inside a transaction.
#include "catalog/credentials.h"

namespace tarn::catalog {

/// permission_denied with the vendor's text if the bucket behind a URL cannot be reached.
Result<void> check_reachable(objects::ObjectStore& objects, std::string_view url);
/// What the validation API answers: each operation tried on a trial object below the URL.
ValidationAnswer try_storage(objects::ObjectStore& objects, const std::string& url, bool read_only);

}  // namespace tarn::catalog
