#pragma once
// The state's bucket, for commands that were given no key to it: the proxy takes their requests, signs them anew with the real credential (AWS
// Signature Version 4) and passes them on. For a plan GET and HEAD of that one bucket; for an approved apply everything in it. Thread-safe.
#include <mutex>

#include "api/api.h"
#include "review/principal.h"

namespace tarn::review {

struct BucketKeys {
  std::string access_key_id, secret_access_key, session_token;
};

class S3Signer {
 public:
  /// `data`: a Tarn's folder that lends credentials, where the bucket's own are not given. `write`: what may be asked for.
  S3Signer(StateBucketSpec bucket, std::optional<std::string> data, Principal& principal, bool write)
      : bucket_(std::move(bucket)), data_(std::move(data)), principal_(principal), write_(write) {}
  api::Reply handle(const api::Request& request);
  const std::string& region() const { return bucket_.region; }

 private:
  Expected<BucketKeys, std::string> keys();
  StateBucketSpec bucket_;
  std::optional<std::string> data_;
  Principal& principal_;
  bool write_;
  std::mutex mutex_;
  std::optional<BucketKeys> kept_;
};

/// Whether a request (host and percent-encoded path, either style of naming) is about that bucket.
bool is_about_bucket(std::string_view host, std::string_view path, std::string_view bucket);

/// The Authorization header's value. `headers` (lower-case names) are what is sent; `host`, `x-amz-*` and `content-type` of them are signed.
std::string authorization_of(std::string_view method, std::string_view path, std::string_view raw_query,
                             const std::map<std::string, std::string>& headers, std::string_view payload_hash, const std::string& region,
                             const BucketKeys& keys, const std::string& timestamp);

}  // namespace tarn::review
