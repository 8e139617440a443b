#pragma once
// The bytes of an upload: read from memory or the spool file in blocks, decoded from aws-chunked where the client sent that, and checked
// against every hash and signature that came with them (S3 API reference, "Signature Calculations for the Authorization Header:
// Transferring Payload in Multiple Chunks", and "… with trailing headers"). Private to this room.
#include <functional>
#include <map>
#include <string>

#include "objects/s3_wire.h"
#include "objects/sigv4.h"

namespace tarn::objects::s3 {

/// How this request's chunks and payload are proven.
struct PayloadProof {
  sigv4::Presented by;
  std::string key;           // the signing key
  std::string content_hash;  // x-amz-content-sha256, or UNSIGNED-PAYLOAD
};

struct Payload {
  std::uint64_t size = 0;
  std::string md5;                               // 16 raw bytes
  std::map<std::string, std::string> checksums;  // what the client sent and proved right: crc32 -> base64
};

/// Whether the body is sent as aws-chunked (and so must be decoded while it is copied).
bool is_chunked(const PayloadProof& proof);

/// Reads the whole body through `sink`. Errors: IncompleteBody, SignatureDoesNotMatch, XAmzContentSHA256Mismatch, BadDigest,
/// InvalidDigest, InvalidRequest, EntityTooLarge beyond `limit`, and the sink's own.
Result<Payload> read_payload(const api::Request& request, const PayloadProof& proof, std::uint64_t limit,
                             const std::function<Result<void>(std::string_view)>& sink);

}  // namespace tarn::objects::s3
