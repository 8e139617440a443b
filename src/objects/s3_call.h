#pragma once
// One S3 request, taken apart and authorised, and the operations on it. Private to this room.
#include <map>
#include <set>
#include <string>

#include "objects/local_objects.h"
#include "objects/s3_payload.h"
#include "objects/s3_wire.h"
#include "objects/session_credentials.h"

namespace tarn::objects::s3 {

struct Operation;

struct Call {
  const api::Request& request;
  LocalObjects& objects;
  std::string bucket, key;                   // decoded; empty if the request names none
  std::map<std::string, std::string> query;  // decoded
  const Operation* operation = nullptr;
  Session session;
  PayloadProof proof;
  std::string region;

  Url url() const { return {bucket, key}; }
  bool has(const std::string& name) const { return query.contains(name); }
  std::string param(const std::string& name) const {
    const auto i = query.find(name);
    return i == query.end() ? "" : i->second;
  }
  /// Whether a grant of the session covers the key with this access.
  bool may(std::string_view bucket, std::string_view key, Access access) const;
  bool may_list(std::string_view prefix) const;
  bool knows_bucket(std::string_view bucket) const;
};

struct Operation {
  std::string_view name;  // as S3 calls it; the audit action begins in lower case
  bool writes = false;
  /// What the session must cover before the body is read.
  enum class Needs { nothing, bucket, listing, read_key, write_key, bucket_write } needs = Needs::nothing;
  Result<api::Reply> (*run)(Call&) = nullptr;
};

/// Splits host and path into bucket and key, reads the query. Error: InvalidURI, InvalidArgument.
Result<void> parse_target(Call& call);
/// The operation that method, target and sub-resources name. Error: NotImplemented, MethodNotAllowed.
Result<const Operation*> find_operation(const Call& call);
/// Checks the signature and the session. Fills session and proof. `payload_hash`: of a body that the service signs without a header of its own.
Result<void> authenticate(Call& call, const SessionCredentials& credentials, Millis now, std::string_view service = "s3",
                          std::string payload_hash = {});
/// Checks the operation's needs against the session.
Result<void> authorise(const Call& call);

// Operations, by file.
Result<api::Reply> list_buckets(Call&);
Result<api::Reply> head_bucket(Call&);
Result<api::Reply> bucket_location(Call&);
Result<api::Reply> bucket_versioning(Call&);
Result<api::Reply> list_objects_v1(Call&);
Result<api::Reply> list_objects_v2(Call&);
Result<api::Reply> list_uploads(Call&);
Result<api::Reply> get_object(Call&);
Result<api::Reply> put_object(Call&);
Result<api::Reply> copy_object(Call&);
Result<api::Reply> delete_object(Call&);
Result<api::Reply> delete_objects(Call&);
Result<api::Reply> create_upload(Call&);
Result<api::Reply> upload_part(Call&);
Result<api::Reply> upload_part_copy(Call&);
Result<api::Reply> list_parts(Call&);
Result<api::Reply> complete_upload(Call&);
Result<api::Reply> abort_upload(Call&);

// Shared by the operations.
/// Turns a room result into S3's.
template <class T>
Result<T> lifted(objects::Result<T> r) {
  if (!r) return fail(error_of(r.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(r);
}
/// The body, staged and checked.
struct Upload {
  StagedFile file;
  Payload payload;
};
Result<Upload> stage_body(Call& call);
/// The body of an XML request (at most 2 MiB), checked.
Result<std::string> small_body(Call& call);
/// Content type, user metadata and the like from the request's headers. Refuses headers whose promise this storage does not keep.
Result<ObjectMeta> meta_from_headers(const api::Request& request);
/// If-None-Match: * and If-Match of a write.
Result<Condition> write_condition(const api::Request& request);
/// The object named by x-amz-copy-source, if the session may read it and its conditions hold.
Result<FoundObject> copy_source(Call& call);
/// `bytes=…` against a size: offset and length; nothing where the header is absent or says nothing usable. Error: InvalidRange.
Result<std::optional<std::pair<std::uint64_t, std::uint64_t>>> parse_range(const std::string& header, std::uint64_t size);
/// Copies a range of an object into a new staged file. The MD5 raw.
Result<std::pair<StagedFile, std::string>> copy_bytes(Call& call, const FoundObject& from, std::uint64_t offset, std::uint64_t length);

inline constexpr std::uint64_t kMostBytes = 5ull << 30;  // of one put or part (S3 user guide, "Multipart upload limits")

}  // namespace tarn::objects::s3
