// Single objects: get, put, copy, delete.
#include <fcntl.h>

#include "base/crypto.h"
#include "objects/checksum.h"
#include "objects/keys.h"
#include "objects/s3_call.h"

namespace tarn::objects::s3 {
namespace {

constexpr std::uint64_t kInline = 256u << 10;  // up to here a body is read at once, so that it belongs to the ETag beside it

Error precondition_failed(std::string_view which) {
  return {412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {{"Condition", std::string(which)}}};
}

bool names_etag(const std::string& list, const std::string& etag) {
  if (list == "*") return true;
  for (std::size_t at = 0; at < list.size();) {
    const auto comma = std::min(list.find(',', at), list.size());
    std::string one = list.substr(at, comma - at);
    std::erase(one, ' ');
    if (one == etag || '"' + one + '"' == etag) return true;
    at = comma + 1;
  }
  return false;
}

/// RFC 9110, section 13.2.2. Nothing: go on; otherwise whether it is "not modified" (true) or "precondition failed".
std::optional<bool> failed_condition(const api::Request& r, const ObjectInfo& info, const std::string& prefix) {
  const Millis modified = info.modified / 1000 * 1000;
  if (const auto m = r.header(prefix + "if-match"); !m.empty()) {
    if (!names_etag(m, info.etag)) return false;
  } else if (const auto since = from_http_date(r.header(prefix + "if-unmodified-since")); since && modified > *since) {
    return false;
  }
  if (const auto n = r.header(prefix + "if-none-match"); !n.empty()) {
    if (names_etag(n, info.etag)) return true;
  } else if (const auto since = from_http_date(r.header(prefix + "if-modified-since")); since && modified <= *since) {
    return true;
  }
  return std::nullopt;
}

void describe(api::Reply& out, const FoundObject& o) {
  out.content_type = o.meta.content_type.empty() ? "binary/octet-stream" : o.meta.content_type;
  out.headers.emplace_back("ETag", o.info.etag);
  out.headers.emplace_back("Last-Modified", http_date(o.info.modified));
  out.headers.emplace_back("Accept-Ranges", "bytes");
  for (const auto& [k, v] : o.meta.headers) out.headers.emplace_back(k, v);
  for (const auto& [k, v] : o.meta.user) out.headers.emplace_back("x-amz-meta-" + k, v);
}

Error commit_stays(const std::string& key) {
  return access_denied(fmt::format("'{}' is a commit of a Delta table's log: commits are not deleted over this protocol.", key));
}

}  // namespace

Result<ObjectMeta> meta_from_headers(const api::Request& r) {
  ObjectMeta out{.content_type = r.header("content-type")};
  for (const auto& [name, value] : r.headers) {
    if (name.starts_with("x-amz-meta-")) {
      out.user[name.substr(11)] = value;
    } else if (name == "cache-control" || name == "content-disposition" || name == "content-language" || name == "expires") {
      out.headers[name] = value;
    } else if (name == "content-encoding") {
      // aws-chunked is how the body travels, not what the object is.
      std::string kept;
      for (std::size_t at = 0; at < value.size();) {
        const auto comma = std::min(value.find(',', at), value.size());
        std::string one = value.substr(at, comma - at);
        std::erase(one, ' ');
        if (!one.empty() && one != "aws-chunked") kept += (kept.empty() ? "" : ",") + one;
        at = comma + 1;
      }
      if (!kept.empty()) out.headers[name] = kept;
    } else if (name == "x-amz-acl" ? value != "private" && value != "bucket-owner-full-control" : name.starts_with("x-amz-grant-")) {
      return fail(Error{400, "AccessControlListNotSupported", "The bucket does not allow ACLs"});
    } else if (name == "x-amz-storage-class" && value != "STANDARD") {
      return fail(Error{400, "InvalidStorageClass", "The storage class you specified is not valid: '" + value + "'"});
    } else if (name.starts_with("x-amz-server-side-encryption") || name.starts_with("x-amz-object-lock-") || name == "x-amz-tagging" ||
               name == "x-amz-website-redirect-location" || name == "x-amz-write-offset-bytes") {
      return fail(unsupported("what the header '" + name + "' asks for"));
    }
  }
  return out;
}

Result<Condition> write_condition(const api::Request& r) {
  Condition out;
  if (const auto n = r.header("if-none-match"); !n.empty()) {
    if (n != "*") return fail(unsupported("If-None-Match with an ETag on a write (only '*')"));
    out.if_absent = true;
  }
  if (const auto m = r.header("if-match"); !m.empty()) {
    if (out.if_absent) return fail(invalid_request("If-Match and If-None-Match exclude each other."));
    out.if_match = m.starts_with('"') ? m : '"' + m + '"';
  }
  return out;
}

Result<std::optional<std::pair<std::uint64_t, std::uint64_t>>> parse_range(const std::string& header, std::uint64_t size) {
  using None = std::optional<std::pair<std::uint64_t, std::uint64_t>>;
  if (!header.starts_with("bytes=") || header.find(',') != std::string::npos) return None{};
  const std::string text = header.substr(6);
  const auto dash = text.find('-');
  auto digits = [](const std::string& s) { return s.size() <= 18 && s.find_first_not_of("0123456789") == std::string::npos; };
  if (dash == std::string::npos || !digits(text.substr(0, dash)) || !digits(text.substr(dash + 1)) || text.size() == 1) return None{};
  const std::string first = text.substr(0, dash), last = text.substr(dash + 1);
  const Error beyond{
      416, "InvalidRange", "The requested range is not satisfiable", {{"RangeRequested", header}, {"ActualObjectSize", std::to_string(size)}}};
  if (first.empty()) {
    const auto n = std::min<std::uint64_t>(std::stoull(last), size);
    if (n == 0) return fail(beyond);
    return None{{size - n, n}};
  }
  const std::uint64_t from = std::stoull(first), to = last.empty() ? size : std::stoull(last);
  if (!last.empty() && to < from) return None{};
  if (from >= size) return fail(beyond);
  return None{{from, std::min(size - 1, to) - from + 1}};
}

Result<api::Reply> get_object(Call& c) {
  TARN_TRY(found, lifted<FoundObject>(c.objects.find(c.url())));
  if (const auto failed = failed_condition(c.request, found.info, "")) {
    if (!*failed) return fail(precondition_failed("If-Match"));
    return api::Reply{.status = 304, .headers = {{"ETag", found.info.etag}, {"Last-Modified", http_date(found.info.modified)}}};
  }
  api::Reply out;
  describe(out, found);
  TARN_TRY(range, parse_range(c.request.header("range"), found.info.size));
  std::uint64_t offset = 0, length = found.info.size;
  if (range) {
    std::tie(offset, length) = *range;
    out.status = 206;
    out.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", offset, offset + length - 1, found.info.size));
  } else if (c.request.header("x-amz-checksum-mode") == "ENABLED") {
    for (const auto& [name, value] : found.meta.checksums) out.headers.emplace_back("x-amz-checksum-" + name, value);
    if (!found.meta.checksums.empty()) out.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
  }
  if (c.request.method == api::Method::GET) {
    for (const auto& [param, header] : {std::pair{"response-cache-control", "cache-control"},
                                        {"response-content-disposition", "content-disposition"},
                                        {"response-content-encoding", "content-encoding"},
                                        {"response-content-language", "content-language"},
                                        {"response-expires", "expires"}}) {
      if (!c.has(param)) continue;
      const std::string value = c.param(param);
      if (value.find_first_of("\r\n") != std::string::npos) return fail(invalid_argument(fmt::format("{} has a line break", param)));
      std::erase_if(out.headers, [&](const auto& h) { return h.first == header; });
      out.headers.emplace_back(header, value);
    }
    if (c.has("response-content-type")) {
      if (c.param("response-content-type").find_first_of("\r\n") != std::string::npos)
        return fail(invalid_argument("response-content-type has a line break"));
      out.content_type = c.param("response-content-type");
    }
    if (length <= kInline) {
      TARN_TRY(bytes, lifted<std::string>(c.objects.get(c.url(), offset, length)));
      if (bytes.size() != length) return fail(Error{503, "SlowDown", "The object changes while it is read, try again."});
      out.body = std::move(bytes);
      return out;
    }
  }
  out.file = api::FileSlice{found.path, offset, length};
  return out;
}

Result<Upload> stage_body(Call& c) {
  if (!c.request.body_file.empty() && !is_chunked(c.proof)) {
    // The spool file becomes the object: its bytes are read once, for the hashes, and copied never.
    TARN_TRY(payload, read_payload(c.request, c.proof, kMostBytes, [](std::string_view) { return Result<void>{}; }));
    TARN_TRY(file, lifted<StagedFile>(c.objects.stage_from(c.request.body_file)));
    return Upload{std::move(file), std::move(payload)};
  }
  TARN_TRY(file, lifted<StagedFile>(c.objects.stage()));
  TARN_TRY(payload, read_payload(c.request, c.proof, kMostBytes, [&](std::string_view piece) { return lifted<void>(write_all(file.fd(), piece)); }));
  return Upload{std::move(file), std::move(payload)};
}

Result<std::string> small_body(Call& c) {
  std::string out;
  TARN_TRY(payload, read_payload(c.request, c.proof, 2u << 20, [&](std::string_view piece) {
             out += piece;
             return Result<void>{};
           }));
  (void)payload;
  return out;
}

Result<api::Reply> put_object(Call& c) {
  TARN_TRY(meta, meta_from_headers(c.request));
  TARN_TRY(condition, write_condition(c.request));
  TARN_TRY(upload, stage_body(c));
  meta.etag = '"' + crypto::to_hex(upload.payload.md5) + '"';
  meta.checksums = upload.payload.checksums;
  TARN_TRY(done, lifted<FoundObject>(c.objects.publish(std::move(upload.file), c.url(), meta, condition)));
  api::Reply out{.content_type = "", .headers = {{"ETag", done.info.etag}}};
  for (const auto& [name, value] : meta.checksums) out.headers.emplace_back("x-amz-checksum-" + name, value);
  if (!meta.checksums.empty()) out.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
  return out;
}

Result<FoundObject> copy_source(Call& c) {
  std::string text = c.request.header("x-amz-copy-source");
  if (const auto q = text.find('?'); q != std::string::npos) {
    if (text.substr(q) != "?versionId=null") return fail(unsupported("object versions (versionId)"));
    text.resize(q);
  }
  auto decoded = api::percent_decode(text);
  if (!decoded) return fail(invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"));
  if (decoded->starts_with('/')) decoded->erase(0, 1);
  const auto slash = decoded->find('/');
  if (slash == std::string::npos || slash + 1 == decoded->size())
    return fail(invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"));
  const Url from{decoded->substr(0, slash), decoded->substr(slash + 1)};
  if (!c.may(from.bucket, from.key, Access::read))
    return fail(
        access_denied(fmt::format("The session of {} is not allowed to perform s3:GetObject on {}/{}", c.session.principal, from.bucket, from.key)));
  TARN_TRY(found, lifted<FoundObject>(c.objects.find(from)));
  if (failed_condition(c.request, found.info, "x-amz-copy-source-")) return fail(precondition_failed("x-amz-copy-source-if-*"));
  return std::move(found);
}

Result<std::pair<StagedFile, std::string>> copy_bytes(Call& c, const FoundObject& from, std::uint64_t offset, std::uint64_t length) {
  const Fd fd(::open(from.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(Error{404, "NoSuchKey", "The specified key does not exist."});
  TARN_TRY(file, lifted<StagedFile>(c.objects.stage()));
  Digest md5(Algorithm::md5);
  for (std::uint64_t done = 0; done < length;) {
    TARN_TRY(block, lifted<std::string>(read_at(fd.get(), offset + done, std::min<std::uint64_t>(1u << 20, length - done))));
    if (block.empty()) return fail(Error{503, "SlowDown", "The source changes while it is read, try again."});
    md5.update(block);
    TARN_CHECK(lifted<void>(write_all(file.fd(), block)));
    done += block.size();
  }
  return std::pair<StagedFile, std::string>{std::move(file), md5.finish()};
}

Result<api::Reply> copy_object(Call& c) {
  TARN_TRY(from, copy_source(c));
  if (from.info.size > kMostBytes)
    return fail(invalid_request("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"));
  TARN_TRY(meta, meta_from_headers(c.request));
  TARN_TRY(condition, write_condition(c.request));
  const std::string directive = c.request.header("x-amz-metadata-directive");
  if (!directive.empty() && directive != "COPY" && directive != "REPLACE") return fail(invalid_argument("Unknown metadata directive."));
  if (directive != "REPLACE") {
    const auto here = c.objects.find(c.url());
    if (here && here->path == from.path)
      return fail(
          invalid_request("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "
                          "storage class, website redirect location or encryption attributes."));
    meta = from.meta;
  }
  meta.checksums = from.meta.checksums;
  TARN_TRY(copied, copy_bytes(c, from, 0, from.info.size));
  meta.etag = '"' + crypto::to_hex(copied.second) + '"';
  TARN_TRY(done, lifted<FoundObject>(c.objects.publish(std::move(copied.first), c.url(), meta, condition)));
  XmlWriter x("CopyObjectResult");
  x.text("LastModified", to_rfc3339(done.info.modified)).text("ETag", done.info.etag);
  return xml_reply(x.finish());
}

Result<api::Reply> delete_object(Call& c) {
  if (is_delta_commit(c.key)) return fail(commit_stays(c.key));
  TARN_CHECK(lifted<void>(c.objects.remove(c.url())));
  return api::Reply{.status = 204, .content_type = ""};
}

Result<api::Reply> delete_objects(Call& c) {
  TARN_TRY(body, small_body(c));
  TARN_TRY(request, parse_xml(body, "Delete"));
  const bool quiet = request.child("Quiet") == "true";
  std::vector<std::string> keys;
  for (const auto& node : request.children) {
    if (node.name != "Object") continue;
    const auto version = node.child("VersionId");
    if (!version.empty() && version != "null") return fail(unsupported("object versions (VersionId)"));
    keys.push_back(node.child("Key"));
  }
  if (keys.empty() || keys.size() > 1000) return fail(Error{400, "MalformedXML", "The XML you provided must name 1 to 1000 objects"});
  XmlWriter x("DeleteResult");
  for (const auto& key : keys) {
    const auto one = [&]() -> Result<void> {
      if (!c.may(c.bucket, key, Access::read_write)) return fail(access_denied());
      if (is_delta_commit(key)) return fail(commit_stays(key));
      return lifted<void>(c.objects.remove({c.bucket, key}));
    }();
    if (!one)
      x.open("Error").text("Key", key).text("Code", one.error().code).text("Message", one.error().message).close();
    else if (!quiet)
      x.open("Deleted").text("Key", key).close();
  }
  return xml_reply(x.finish());
}

}  // namespace tarn::objects::s3
