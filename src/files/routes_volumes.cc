#include <charconv>
#include <ctime>

#include "base/ids.h"
#include "files/routes.h"

namespace tarn::files {
namespace {

using api::Method;
using api::Request;

constexpr std::size_t kPage = 1000, kMostPage = 1000;
constexpr std::uint64_t kInMemory = 64u << 20;  // of a file that cannot be sent from disk

json::array reason(const char* name) {
  return {json::object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"}, {"reason", name}, {"domain", "filesystem.databricks.com"}}};
}

template <class T>
Expected<T, api::WireError> lifted(Result<T> r) {
  if (!r) return fail(wire_files(r.error()));
  return *std::move(r);
}
Expected<VolumeFiles::Place, api::WireError> place_of(const Request& r) { return lifted(VolumeFiles::parse("/" + r.capture("path"))); }

api::Result nothing(const Result<void>& r) {
  if (!r) return fail(wire_files(r.error()));
  return api::Reply{.status = 204, .body = "", .content_type = ""};
}

Expected<bool, api::WireError> overwrites(const Request& r) {
  const auto given = r.param("overwrite");
  if (!given || *given == "true" || *given == "True") return true;  // the vendor's default
  if (*given == "false" || *given == "False") return false;
  return fail(api::bad_request("Parameter 'overwrite' must be true or false"));
}

struct Range {
  std::uint64_t first = 0, length = 0;
};
/// One range of RFC 9110, or nothing where the header asks for what need not be served as a range. bad_range beyond the end.
Result<std::optional<Range>> range_of(const std::string& header, std::uint64_t size) {
  std::string_view text = header;
  if (!text.starts_with("bytes=") || text.find(',') != text.npos) return std::nullopt;
  text.remove_prefix(6);
  const auto dash = text.find('-');
  if (dash == text.npos) return std::nullopt;
  const auto number = [](std::string_view s) -> std::optional<std::uint64_t> {
    std::uint64_t n = 0;
    const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n);
    return ec == std::errc() && end == s.data() + s.size() && !s.empty() ? std::optional(n) : std::nullopt;
  };
  const auto from = number(text.substr(0, dash)), to = number(text.substr(dash + 1));
  const auto outside = [&] {
    return refuse(Errc::bad_range, fmt::format("The range '{}' is outside the file's {} bytes.", header.substr(0, 60), size));
  };
  if (dash == 0) {
    if (!to) return std::nullopt;
    if (*to == 0 || size == 0) return outside();
    const auto length = std::min(*to, size);
    return Range{size - length, length};
  }
  if (!from || (dash + 1 < text.size() && !to) || (to && *to < *from)) return std::nullopt;
  if (*from >= size) return outside();
  return Range{*from, std::min(to.value_or(size - 1), size - 1) - *from + 1};
}

api::Result download(VolumeFiles& files, const Request& r) {
  TARN_TRY(place, place_of(r));
  TARN_TRY(found, lifted(files.file(r.context, place)));
  const auto& entry = found.entry;
  if (const auto since = from_http_date(r.header("if-unmodified-since")); since && entry.modified / 1000 > *since / 1000)
    return fail(wire_files({Errc::precondition, "The file was modified after the time of If-Unmodified-Since."}));
  api::Reply out{.content_type = "application/octet-stream", .headers = {{"Last-Modified", http_date(entry.modified)}, {"Accept-Ranges", "bytes"}}};
  Range all{0, entry.size};
  TARN_TRY(range, lifted(range_of(r.header("range"), entry.size)));
  if (range) {
    all = *range;
    out.status = 206;
    out.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", all.first, all.first + all.length - 1, entry.size));
  }
  if (found.local && all.length > 0) {
    out.file = api::FileSlice{*found.local, all.first, all.length};
    return out;
  }
  if (all.length > kInMemory) return fail(wire_files({Errc::too_large, fmt::format("The file is read in ranges of at most {} bytes.", kInMemory)}));
  if (all.length > 0) {
    TARN_TRY(bytes, lifted(files.read(r.context, place, all.first, all.length)));
    out.body = std::move(bytes);
  }
  return out;
}

api::Result list(VolumeFiles& files, const Request& r) {
  TARN_TRY(place, place_of(r));
  std::size_t limit = kPage;
  if (const auto given = r.param("page_size")) {
    TARN_TRY(n, api::integer("page_size", *given));
    if (n < 0) return fail(api::bad_request("Parameter 'page_size' must not be negative"));
    if (n > 0) limit = std::min<std::size_t>(static_cast<std::size_t>(n), kMostPage);
  }
  const std::string listing = "files:" + place.shown();
  TARN_TRY(after, api::page_after(listing, r.param("page_token")));
  TARN_TRY(page, lifted(files.list(r.context, place, after, limit)));
  json::array contents;
  for (const auto& e : page.entries) {
    json::object one{{"path", place.shown() + "/" + e.name}, {"is_directory", e.folder}, {"name", e.name}};
    if (!e.folder) one["file_size"] = e.size, one["last_modified"] = e.modified;
    contents.push_back(std::move(one));
  }
  json::object out;
  if (!contents.empty()) out["contents"] = std::move(contents);
  if (page.next) out["next_page_token"] = api::page_token(listing, *page.next);
  return api::ok(json::value(std::move(out)));
}

/// Clients that would send a large file in parts ask for an upload first, then for URLs to send the parts to. There are no presigned URLs here, which
/// is the vendor's answer where an administrator has switched them off: the client then sends the file whole.
api::WireError presigned_disabled() {
  auto e = api::forbidden("Presigned URLs API is not enabled");
  e.details = reason("FILES_API_API_IS_NOT_ENABLED");
  return e;
}

api::Result multipart(VolumeFiles& files, const Request& r) {
  TARN_TRY(place, place_of(r));
  const auto action = r.param("action").value_or("");
  if (action != "initiate-upload") return fail(presigned_disabled());
  TARN_TRY(overwrite, overwrites(r));
  const auto there = files.file(r.context, place);
  if (!there && there.error().code != Errc::not_found) return fail(wire_files(there.error()));
  if (there && !overwrite) return fail(wire_files({Errc::already_exists, "The file being created already exists."}));
  return api::ok(json::value(json::object{{"multipart_upload", json::object{{"session_token", "whole-" + new_hex(8)}}}}));
}

}  // namespace

std::string http_date(Millis at) {
  const std::time_t seconds = static_cast<std::time_t>(at / 1000);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[static_cast<std::size_t>(tm.tm_wday)], tm.tm_mday,
                     months[static_cast<std::size_t>(tm.tm_mon)], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::optional<Millis> from_http_date(const std::string& text) {
  std::tm tm{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
  if (!end || *end) return std::nullopt;
  return static_cast<Millis>(::timegm(&tm)) * 1000;
}

api::WireError wire_files(const Error& e) {
  const auto with = [&](int status, const char* code, const char* why) { return api::WireError{status, code, e.message, reason(why)}; };
  switch (e.code) {
    case Errc::invalid:
      return with(400, "INVALID_PARAMETER_VALUE", "FILES_API_INVALID_PATH");
    case Errc::not_found:
      return with(404, "NOT_FOUND", "FILES_API_FILE_NOT_FOUND");
    case Errc::directory_not_found:
      return with(404, "NOT_FOUND", "FILES_API_DIRECTORY_IS_NOT_FOUND");
    case Errc::already_exists:
      return with(409, "ALREADY_EXISTS", "FILES_API_FILE_ALREADY_EXISTS");
    case Errc::directory_exists:
      return with(409, "ALREADY_EXISTS", "FILES_API_DIRECTORY_ALREADY_EXISTS");
    case Errc::not_empty:
      return with(400, "INVALID_PARAMETER_VALUE", "FILES_API_DIRECTORY_IS_NOT_EMPTY");
    case Errc::permission_denied:
      return api::forbidden(e.message);
    case Errc::too_large:
      return with(413, "REQUEST_LIMIT_EXCEEDED", "FILES_API_FILE_SIZE_EXCEEDED");
    case Errc::precondition:
      return with(412, "FAILED_PRECONDITION", "FILES_API_FILE_MODIFIED");
    case Errc::bad_range:
      return with(416, "INVALID_PARAMETER_VALUE", "FILES_API_INVALID_RANGE");
    case Errc::unavailable:
      return {503, "TEMPORARILY_UNAVAILABLE", e.message};
  }
  throw std::logic_error("an error code without a meaning");
}

std::vector<api::Route> volume_routes(VolumeFiles& f) {
  std::vector<api::Route> out;
  const auto row = [&](Method m, const std::string& pattern, api::Handler h, bool spooled = false) {
    out.push_back({.method = m, .pattern = "/api/2.0/fs/" + pattern, .group = "files", .handler = std::move(h), .spooled = spooled});
  };
  row(Method::GET, "files/{path*}", [&f](const Request& r) -> api::Result { return download(f, r); });
  row(Method::POST, "files/{path*}", [&f](const Request& r) -> api::Result { return multipart(f, r); });
  row(
      Method::PUT, "files/{path*}",
      [&f](const Request& r) -> api::Result {
        TARN_TRY(place, place_of(r));
        TARN_TRY(overwrite, overwrites(r));
        return nothing(f.upload(r.context, place, r.body, r.body_file, overwrite));
      },
      true);
  row(Method::DELETE, "files/{path*}", [&f](const Request& r) -> api::Result {
    TARN_TRY(place, place_of(r));
    return nothing(f.remove(r.context, place));
  });
  row(Method::HEAD, "directories/{path*}", [&f](const Request& r) -> api::Result {
    TARN_TRY(place, place_of(r));
    if (auto there = f.directory(r.context, place); !there) return fail(wire_files(there.error()));
    return api::Reply{.body = "", .content_type = ""};
  });
  row(Method::GET, "directories/{path*}", [&f](const Request& r) -> api::Result { return list(f, r); });
  row(Method::PUT, "directories/{path*}", [&f](const Request& r) -> api::Result {
    TARN_TRY(place, place_of(r));
    return nothing(f.make_directory(r.context, place));
  });
  row(Method::DELETE, "directories/{path*}", [&f](const Request& r) -> api::Result {
    TARN_TRY(place, place_of(r));
    return nothing(f.remove_directory(r.context, place));
  });
  for (const char* name : {"create-download-url", "create-upload-part-urls", "create-resumable-upload-url", "create-abort-upload-url"})
    row(Method::POST, name, [](const Request&) -> api::Result { return fail(presigned_disabled()); });
  return out;
}

}  // namespace tarn::files
