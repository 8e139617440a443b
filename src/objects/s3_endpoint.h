#pragma once
// The S3 protocol over LocalObjects, for every engine and tool that is not ours. A request is served if its Signature Version 4 (header or
// presigned query) is made with a session that SessionCredentials vended, the session is alive, and one of its prefixes covers the key
// with the access that the operation needs; a listing needs a prefix that lies inside a grant. All else is refused and audited.
//
// Served: GetObject (one range, conditions, response-* overrides), HeadObject, PutObject (If-None-Match: *, If-Match), CopyObject,
// DeleteObject, DeleteObjects, ListObjectsV2, ListObjects, ListBuckets (the granted ones), HeadBucket, GetBucketLocation,
// GetBucketVersioning (never enabled), and multipart uploads with UploadPartCopy, ListParts and ListMultipartUploads; path style and
// BUCKET.s3.HOST; and AssumeRole of the token service, by which a session narrows itself. Everything else of S3 and STS is answered with an
// error that says so.
//
// A commit of a Delta log (_delta_log/N.json) is written once: no operation replaces or deletes it, whatever the grant. (N.crc beside it
// is advisory, may be rewritten, and is not protected.) Differences from AWS on purpose: an expired session is 403, not 400; keys with
// empty, `.` or `..` segments are refused.
//
// Thread-safe; blocks on files, so call it on a worker thread.
#include "api/api.h"
#include "objects/local_objects.h"
#include "objects/session_credentials.h"

namespace tarn::objects {

namespace s3 {
struct Call;
struct Operation;
}  // namespace s3

class S3Endpoint {
 public:
  /// All must outlive this.
  S3Endpoint(LocalObjects& objects, SessionCredentials& credentials, store::Store& store, const Clock& clock);

  /// Never throws for what a client sends. Uses of a Request: method, path and raw_query as sent, headers (lower case; `host` with its
  /// port), body or body_file (which may be moved away), context's request id, address and user agent.
  api::Reply handle(const api::Request& request);

  /// The refusal that the head alone justifies (credentials, grant), before an upload is read; nothing if the body may come.
  std::optional<api::Reply> admit(const api::Request& request);

 private:
  void audit(const s3::Call& call, const api::Reply& reply, const std::string& error, bool writes);
  LocalObjects& objects_;
  SessionCredentials& credentials_;
  store::Store& store_;
  const Clock& clock_;
};

}  // namespace tarn::objects
