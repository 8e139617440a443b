// Buckets and listings.
#include "objects/keys.h"
#include "objects/s3_call.h"

namespace tarn::objects::s3 {
namespace {

struct Page {
  std::string prefix, delimiter;
  std::size_t limit = 1000;
  bool encode = false;
  std::string shown(std::string_view text) const { return encode ? sigv4::encode(text, true) : std::string(text); }
};

Result<std::size_t> limit_of(const Call& c, const std::string& name) {
  const std::string text = c.param(name);
  if (!c.has(name)) return 1000;
  if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string::npos)
    return fail(invalid_argument(fmt::format("Provided {} not an integer or within integer range", name)));
  return std::min<std::size_t>(1000, std::stoull(text));
}

Result<Page> page_of(const Call& c, const std::string& limit) {
  Page out{.prefix = c.param("prefix"), .delimiter = c.param("delimiter")};
  TARN_TRY(n, limit_of(c, limit));
  out.limit = n;
  if (const auto e = c.param("encoding-type"); !e.empty()) {
    if (e != "url") return fail(invalid_argument("Invalid Encoding Method specified in Request"));
    out.encode = true;
  }
  return out;
}

Result<Listing> page_from(Call& c, const Page& page, const std::string& after) {
  if (page.limit == 0) return Listing{};
  return lifted<Listing>(c.objects.list(c.bucket, page.prefix, after, page.limit, page.delimiter));
}

void head_of(XmlWriter& x, const Call& c, const Page& page, const Listing& l) {
  x.text("Name", c.bucket).text("Prefix", page.shown(page.prefix)).text("MaxKeys", std::to_string(page.limit));
  if (!page.delimiter.empty()) x.text("Delimiter", page.shown(page.delimiter));
  if (page.encode) x.text("EncodingType", "url");
  x.text("IsTruncated", l.truncated ? "true" : "false");
}

void content_of(XmlWriter& x, const Page& page, const Listing& l) {
  for (const auto& o : l.objects)
    x.open("Contents")
        .text("Key", page.shown(o.key))
        .text("LastModified", to_rfc3339(o.modified))
        .text("ETag", o.etag)
        .text("Size", std::to_string(o.size))
        .text("StorageClass", "STANDARD")
        .close();
  for (const auto& p : l.common_prefixes) x.open("CommonPrefixes").text("Prefix", page.shown(p)).close();
}

Result<void> bucket_is_there(const Call& c) {
  if (c.objects.bucket_exists(c.bucket)) return {};
  return fail(Error{404, "NoSuchBucket", "The specified bucket does not exist", {{"BucketName", c.bucket}}});
}

}  // namespace

Result<api::Reply> list_buckets(Call& c) {
  std::set<std::string> names;
  for (const auto& p : c.session.prefixes)
    if (const auto grant = Url::parse(p); grant && c.objects.bucket_exists(grant->bucket)) names.insert(grant->bucket);
  XmlWriter x("ListAllMyBucketsResult");
  x.open("Owner").text("ID", c.session.principal).close().open("Buckets");
  for (const auto& name : names) x.open("Bucket").text("Name", name).text("BucketRegion", c.region).close();
  return xml_reply(x.finish());
}

Result<api::Reply> head_bucket(Call& c) {
  TARN_CHECK(bucket_is_there(c));
  return api::Reply{.content_type = "", .headers = {{"x-amz-bucket-region", c.region}}};
}

Result<api::Reply> bucket_location(Call& c) {
  TARN_CHECK(bucket_is_there(c));
  // us-east-1 is the empty location, by S3's own tradition.
  return xml_reply("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                   (c.region == "us-east-1" ? "" : c.region) + "</LocationConstraint>");
}

Result<api::Reply> bucket_versioning(Call& c) {
  TARN_CHECK(bucket_is_there(c));
  return xml_reply(XmlWriter("VersioningConfiguration").finish());
}

Result<api::Reply> list_objects_v2(Call& c) {
  TARN_TRY(page, page_of(c, "max-keys"));
  const std::string listing = c.bucket + '\n' + page.prefix + '\n' + page.delimiter;
  std::string after = c.param("start-after");
  if (c.has("continuation-token")) {
    auto from = api::page_after(listing, c.param("continuation-token"));
    if (!from) return fail(invalid_argument("The continuation token provided is incorrect"));
    after = *std::move(from);
  }
  TARN_TRY(l, page_from(c, page, after));
  XmlWriter x("ListBucketResult");
  head_of(x, c, page, l);
  x.text("KeyCount", std::to_string(l.objects.size() + l.common_prefixes.size()));
  if (c.has("start-after")) x.text("StartAfter", page.shown(c.param("start-after")));
  if (c.has("continuation-token")) x.text("ContinuationToken", c.param("continuation-token"));
  if (l.truncated) x.text("NextContinuationToken", api::page_token(listing, l.next));
  content_of(x, page, l);
  return xml_reply(x.finish());
}

Result<api::Reply> list_objects_v1(Call& c) {
  TARN_TRY(page, page_of(c, "max-keys"));
  TARN_TRY(l, page_from(c, page, c.param("marker")));
  XmlWriter x("ListBucketResult");
  head_of(x, c, page, l);
  x.text("Marker", page.shown(c.param("marker")));
  if (l.truncated) x.text("NextMarker", page.shown(l.next));
  content_of(x, page, l);
  return xml_reply(x.finish());
}

Result<api::Reply> list_uploads(Call& c) {
  TARN_CHECK(bucket_is_there(c));
  if (c.has("delimiter") || c.has("key-marker")) return fail(unsupported("pages of ListMultipartUploads (it answers the first 1,000)"));
  XmlWriter x("ListMultipartUploadsResult");
  x.text("Bucket", c.bucket).text("Prefix", c.param("prefix")).text("MaxUploads", "1000").text("IsTruncated", "false");
  for (const auto& u : c.objects.uploads(c.bucket, c.param("prefix")))
    x.open("Upload").text("Key", u.key).text("UploadId", u.id).text("StorageClass", "STANDARD").text("Initiated", to_rfc3339(u.started)).close();
  return xml_reply(x.finish());
}

}  // namespace tarn::objects::s3
