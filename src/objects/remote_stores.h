#pragma once
// The remote stores that a server was started with (`tarn serve --objects FILE`): which buckets lie where, and under whose keys. Every
// other bucket is in the local store. The file is JSON:
//   {"stores": [{"name": "aws", "endpoint": "https://s3.eu-central-1.amazonaws.com", "region": "eu-central-1", "buckets": ["acme-*"],
//                "credentials_file": "/run/secrets/aws", "sts_endpoint": "https://sts.eu-central-1.amazonaws.com"}]}
// Thread-safe after construction.
#include "base/json.h"
#include "objects/remote_s3.h"
#include "objects/sts.h"

namespace tarn::objects {

/// One store of the file.
struct RemoteStore {
  std::string name, endpoint, region;
  std::vector<std::string> buckets;    // names, or patterns with one or more `*`
  std::string credentials_file;        // as the AWS tools keep it; read again when it changes
  std::optional<std::string> profile;  // `default` when absent
  std::optional<std::string> ca_file;
  std::optional<std::string> sts_endpoint;  // absent: temporary credentials are refused for its buckets
  std::optional<std::string> role_arn;      // assumed where no storage credential of the catalog names a role
};
BOOST_DESCRIBE_STRUCT(RemoteStore, (), (name, endpoint, region, buckets, credentials_file, profile, ca_file, sts_endpoint, role_arn))

struct RemoteConfig {
  std::vector<RemoteStore> stores;
  std::optional<std::int64_t> cache_bytes;  // of files kept on this machine for the engine; 20 GiB when absent
};
BOOST_DESCRIBE_STRUCT(RemoteConfig, (), (stores, cache_bytes))

/// Reads and checks the file. Error: what is wrong, with the field.
Expected<RemoteConfig, std::string> read_remote_config(const std::string& path);

/// Keys from a file in the format of the AWS tools ([profile], aws_access_key_id = …); rotated by replacing the file.
class SharedCredentials {
 public:
  SharedCredentials(std::string path, std::string profile) : path_(std::move(path)), profile_(std::move(profile)) {}
  /// Error: unavailable (no such file, no such profile, a key missing).
  Result<AccessKeys> keys();

 private:
  const std::string path_, profile_;
  std::mutex mutex_;
  std::optional<std::pair<std::int64_t, std::int64_t>> stamp_;  // modification time and size of what was read
  AccessKeys known_;
};

class RemoteStores {
 public:
  /// `always_local`: buckets that no pattern takes. Throws std::runtime_error for a configuration that was not checked.
  RemoteStores(const RemoteConfig& config, std::vector<std::string> always_local, const Clock& clock);
  ~RemoteStores();

  bool empty() const { return stores_.empty(); }
  /// The store of a bucket, or null: the bucket is local. The first that matches wins.
  RemoteS3* store_of(std::string_view bucket) const;
  /// Temporary credentials for a scope whose prefixes all lie in one remote store. Errors: denied, unavailable, invalid_request.
  Result<Credentials> vend(const Scope& scope, Millis lifetime) const;

 private:
  struct One;
  const One* find(std::string_view bucket) const;
  std::vector<std::unique_ptr<One>> stores_;
  std::vector<std::string> always_local_;
};

/// Vends for local buckets from `local`, for remote ones from their stores.
class RoutedVendor final : public CredentialVendor {
 public:
  RoutedVendor(CredentialVendor& local, const RemoteStores& remote) : local_(local), remote_(remote) {}
  Result<Credentials> vend(const Scope& scope, Millis lifetime) override;
  std::string presign(std::string_view method, const Url& url, Millis lifetime) override;

 private:
  CredentialVendor& local_;
  const RemoteStores& remote_;
};

/// Every bucket behind one interface.
class RoutedObjects final : public ObjectStore {
 public:
  RoutedObjects(ObjectStore& local, const RemoteStores& remote) : local_(local), remote_(remote) {}

  Result<void> create_bucket(std::string_view bucket) override { return at(bucket).create_bucket(bucket); }
  bool bucket_exists(std::string_view bucket) override { return at(bucket).bucket_exists(bucket); }
  bool provide_bucket(std::string_view bucket) override { return at(bucket).provide_bucket(bucket); }
  Result<std::string> get(const Url& url, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {}) override {
    return at(url.bucket).get(url, offset, length);
  }
  Result<ObjectInfo> head(const Url& url) override { return at(url.bucket).head(url); }
  Result<ObjectInfo> put(const Url& url, std::string_view content, bool if_absent = false) override {
    return at(url.bucket).put(url, content, if_absent);
  }
  Result<void> remove(const Url& url) override { return at(url.bucket).remove(url); }
  Result<Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                       std::string_view delimiter = {}) override {
    return at(bucket).list(bucket, prefix, after, limit, delimiter);
  }
  Result<void> remove_all(const Url& prefix) override { return at(prefix.bucket).remove_all(prefix); }
  std::optional<std::string> local_path(const Url& url) override { return at(url.bucket).local_path(url); }
  bool is_remote(std::string_view bucket) override { return remote_.store_of(bucket) != nullptr; }

 private:
  ObjectStore& at(std::string_view bucket) const {
    if (auto* r = remote_.store_of(bucket)) return *r;
    return local_;
  }
  ObjectStore& local_;
  const RemoteStores& remote_;
};

}  // namespace tarn::objects
