// Multipart uploads on the wire.
#include "base/crypto.h"
#include "objects/checksum.h"
#include "objects/keys.h"
#include "objects/s3_call.h"

namespace tarn::objects::s3 {
namespace {

constexpr std::uint64_t kLeastPart = 5u << 20;  // of every part but the last

Result<UploadInfo> upload_of(Call& c) {
  auto found = c.objects.upload(c.url(), c.param("uploadId"));
  if (!found) return fail(found.error().code == Errc::no_such_key ? Error{404, "NoSuchUpload", found.error().message} : error_of(found.error()));
  return *std::move(found);
}

Result<int> part_number(const Call& c) {
  const std::string text = c.param("partNumber");
  const Error bad = invalid_argument("Part number must be an integer between 1 and 10000, inclusive");
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != std::string::npos) return fail(bad);
  const int n = std::stoi(text);
  if (n < 1 || n > 10'000) return fail(bad);
  return n;
}

Result<PartInfo> keep_part(Call& c, const UploadInfo& upload, int number, StagedFile file, ObjectMeta meta) {
  auto part = c.objects.put_part(upload, number, std::move(file), meta);
  if (!part) return fail(part.error().code == Errc::no_such_key ? Error{404, "NoSuchUpload", part.error().message} : error_of(part.error()));
  return *std::move(part);
}

std::string quoted(std::string etag) { return etag.starts_with('"') ? etag : '"' + etag + '"'; }

/// What the client says the upload consists of, held against the parts that came.
Result<std::vector<PartInfo>> chosen_parts(const XmlNode& request, const std::vector<PartInfo>& have) {
  const Error invalid_part{400, "InvalidPart",
                           "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag "
                           "may not match the part's entity tag."};
  std::vector<PartInfo> out;
  for (const auto& node : request.children) {
    if (node.name != "Part") continue;
    const std::string number = node.child("PartNumber");
    if (number.empty() || number.size() > 5 || number.find_first_not_of("0123456789") != std::string::npos)
      return fail(Error{400, "MalformedXML", "A Part needs its PartNumber"});
    const int n = std::stoi(number);
    if (!out.empty() && n <= out.back().number)
      return fail(
          Error{400, "InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number."});
    const auto part = std::find_if(have.begin(), have.end(), [&](const PartInfo& p) { return p.number == n; });
    if (part == have.end() || part->etag != quoted(node.child("ETag"))) return fail(invalid_part);
    for (const auto& c : node.children) {
      if (!c.name.starts_with("Checksum")) continue;
      std::string name = c.name.substr(8);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char l) { return static_cast<char>(std::tolower(l)); });
      const auto stored = part->checksums.find(name);
      if (stored != part->checksums.end() && stored->second != c.text) return fail(invalid_part);
    }
    out.push_back(*part);
  }
  if (out.empty()) return fail(Error{400, "MalformedXML", "You must specify at least one part"});
  for (std::size_t i = 0; i + 1 < out.size(); ++i)
    if (out[i].size < kLeastPart)
      return fail(Error{400,
                        "EntityTooSmall",
                        "Your proposed upload is smaller than the minimum allowed size",
                        {{"PartNumber", std::to_string(out[i].number)}, {"MinSizeAllowed", std::to_string(kLeastPart)}}});
  return out;
}

/// A checksum of the whole object, where the client states one: read over what was put together.
Result<std::map<std::string, std::string>> whole_checksums(const api::Request& r, const StagedFile& file) {
  std::map<std::string, std::string> out;
  if (r.header("x-amz-checksum-type") == "COMPOSITE") return out;
  for (const auto a : {Algorithm::crc32, Algorithm::crc32c, Algorithm::crc64nvme}) {
    const std::string name(json::name_of(a)), sent = r.header("x-amz-checksum-" + name);
    if (sent.empty()) continue;
    Digest digest(a);
    for (std::uint64_t at = 0;;) {
      TARN_TRY(block, lifted<std::string>(read_at(file.fd(), at, 1u << 20)));
      if (block.empty()) break;
      digest.update(block);
      at += block.size();
    }
    out[name] = crypto::base64(digest.finish());
    if (out[name] != sent) return fail(Error{400, "BadDigest", fmt::format("The {} you specified did not match the calculated checksum.", name)});
  }
  return out;
}

}  // namespace

Result<api::Reply> create_upload(Call& c) {
  TARN_TRY(meta, meta_from_headers(c.request));
  TARN_TRY(id, lifted<std::string>(c.objects.start_upload(c.url(), meta)));
  XmlWriter x("InitiateMultipartUploadResult");
  x.text("Bucket", c.bucket).text("Key", c.key).text("UploadId", id);
  auto out = xml_reply(x.finish());
  if (const auto a = c.request.header("x-amz-checksum-algorithm"); !a.empty()) out.headers.emplace_back("x-amz-checksum-algorithm", a);
  return out;
}

Result<api::Reply> upload_part(Call& c) {
  TARN_TRY(number, part_number(c));
  TARN_TRY(upload, upload_of(c));
  TARN_TRY(body, stage_body(c));
  TARN_TRY(part, keep_part(c, upload, number, std::move(body.file),
                           {.etag = '"' + crypto::to_hex(body.payload.md5) + '"', .checksums = body.payload.checksums}));
  api::Reply out{.content_type = "", .headers = {{"ETag", part.etag}}};
  for (const auto& [name, value] : part.checksums) out.headers.emplace_back("x-amz-checksum-" + name, value);
  return out;
}

Result<api::Reply> upload_part_copy(Call& c) {
  TARN_TRY(number, part_number(c));
  TARN_TRY(upload, upload_of(c));
  TARN_TRY(from, copy_source(c));
  std::uint64_t offset = 0, length = from.info.size;
  if (const auto text = c.request.header("x-amz-copy-source-range"); !text.empty()) {
    TARN_TRY(range, parse_range(text, from.info.size));
    if (!range)
      return fail(
          invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets "
                           "of the first and last bytes to copy"));
    std::tie(offset, length) = *range;
  }
  if (length > kMostBytes) return fail(invalid_request("A part has at most 5368709120 bytes"));
  TARN_TRY(copied, copy_bytes(c, from, offset, length));
  TARN_TRY(part, keep_part(c, upload, number, std::move(copied.first), {.etag = '"' + crypto::to_hex(copied.second) + '"'}));
  XmlWriter x("CopyPartResult");
  x.text("LastModified", to_rfc3339(part.modified)).text("ETag", part.etag);
  return xml_reply(x.finish());
}

Result<api::Reply> list_parts(Call& c) {
  TARN_TRY(upload, upload_of(c));
  TARN_TRY(parts, lifted<std::vector<PartInfo>>(c.objects.parts(upload)));
  const auto number = [&](const char* name, int otherwise) {
    const auto text = c.param(name);
    return text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos ? otherwise : std::stoi(text);
  };
  const int after = number("part-number-marker", 0), most = std::clamp(number("max-parts", 1000), 1, 1000);
  std::erase_if(parts, [&](const PartInfo& p) { return p.number <= after; });
  const bool truncated = parts.size() > static_cast<std::size_t>(most);
  if (truncated) parts.resize(static_cast<std::size_t>(most));
  XmlWriter x("ListPartsResult");
  x.text("Bucket", c.bucket)
      .text("Key", c.key)
      .text("UploadId", upload.id)
      .text("StorageClass", "STANDARD")
      .text("PartNumberMarker", std::to_string(after));
  if (truncated) x.text("NextPartNumberMarker", std::to_string(parts.back().number));
  x.text("MaxParts", std::to_string(most)).text("IsTruncated", truncated ? "true" : "false");
  for (const auto& p : parts)
    x.open("Part")
        .text("PartNumber", std::to_string(p.number))
        .text("LastModified", to_rfc3339(p.modified))
        .text("ETag", p.etag)
        .text("Size", std::to_string(p.size))
        .close();
  return xml_reply(x.finish());
}

Result<api::Reply> complete_upload(Call& c) {
  TARN_TRY(upload, upload_of(c));
  TARN_TRY(condition, write_condition(c.request));
  // A checksum header here speaks of the object, not of this request's body.
  api::Request plain{
      .method = c.request.method, .path = c.request.path, .headers = c.request.headers, .body = c.request.body, .body_file = c.request.body_file};
  std::erase_if(plain.headers, [](const auto& h) { return h.first.starts_with("x-amz-checksum-"); });
  std::string body;
  TARN_TRY(payload, read_payload(plain, c.proof, 2u << 20, [&](std::string_view piece) {
             body += piece;
             return Result<void>{};
           }));
  (void)payload;
  TARN_TRY(request, parse_xml(body, "CompleteMultipartUpload"));
  TARN_TRY(have, lifted<std::vector<PartInfo>>(c.objects.parts(upload)));
  TARN_TRY(parts, chosen_parts(request, have));
  TARN_TRY(file, lifted<StagedFile>(c.objects.assemble(upload, parts)));
  ObjectMeta meta = upload.meta;
  TARN_TRY(checksums, whole_checksums(c.request, file));
  meta.checksums = checksums;
  std::string hashes;
  for (const auto& p : parts) hashes += crypto::from_hex(std::string_view(p.etag).substr(1, 32)).value_or("");
  meta.etag = fmt::format("\"{}-{}\"", crypto::to_hex(digest_of(Algorithm::md5, hashes)), parts.size());
  TARN_TRY(done, lifted<FoundObject>(c.objects.publish(std::move(file), c.url(), meta, condition)));
  c.objects.end_upload(upload);
  XmlWriter x("CompleteMultipartUploadResult");
  x.text("Location", '/' + c.bucket + '/' + sigv4::encode(c.key, true)).text("Bucket", c.bucket).text("Key", c.key).text("ETag", done.info.etag);
  return xml_reply(x.finish());
}

Result<api::Reply> abort_upload(Call& c) {
  TARN_TRY(upload, upload_of(c));
  c.objects.end_upload(upload);
  return api::Reply{.status = 204, .content_type = ""};
}

}  // namespace tarn::objects::s3
