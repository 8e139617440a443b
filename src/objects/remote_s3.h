#pragma once
// Buckets behind any S3 API: AWS, MinIO, Ceph, or another Tarn. Requests are signed with Signature Version 4 and sent over libcurl on kept
// connections. Thread-safe; methods block. Reads, listings and deletes are tried up to three times when the service is away or overloaded;
// a write is sent once, since a conditional one that is repeated could lose against itself: the caller sees `unavailable`.
#include <functional>

#include "objects/http_client.h"

namespace tarn::objects {

class RemoteS3 final : public ObjectStore {
 public:
  struct Options {
    std::string endpoint;  // https://s3.eu-central-1.amazonaws.com
    std::string region;
    std::string access_key_id, secret_access_key, session_token;  // the token may be empty
    std::string ca_file;                                          // instead of the system's authorities
    std::int64_t timeout_s = 60;                                  // without progress
    std::function<Result<AccessKeys>()> keys;                     // set: asked for each request, in place of the three above
  };
  RemoteS3(Options options, const Clock& clock);

  /// Buckets are made by their owner: succeeds if it exists, `denied` otherwise.
  Result<void> create_bucket(std::string_view bucket) override;
  bool bucket_exists(std::string_view bucket) override;
  Result<std::string> get(const Url& url, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {}) override;
  Result<ObjectInfo> head(const Url& url) override;
  /// At most 5 GiB. A Delta commit is always put if absent.
  Result<ObjectInfo> put(const Url& url, std::string_view content, bool if_absent = false) override;
  Result<void> remove(const Url& url) override;
  Result<Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                       std::string_view delimiter = {}) override;
  Result<void> remove_all(const Url& prefix) override;
  std::optional<std::string> local_path(const Url&) override { return std::nullopt; }
  /// A presigned URL under this store's own keys; at most 7 days (and no longer than the keys live). Error: unavailable (no keys).
  Result<std::string> presign(std::string_view method, const Url& url, Millis lifetime) const;

 private:
  struct Call;
  Result<AccessKeys> keys() const;
  Result<HttpReply> send(const Call& call);
  Result<HttpReply> send_once(const Call& call);

  const Options options_;
  const Clock& clock_;
  HttpClient http_;
};

}  // namespace tarn::objects
