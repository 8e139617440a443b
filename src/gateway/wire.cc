#include "gateway/wire.h"

#include <time.h>

#include <boost/beast/http/status.hpp>
#include <charconv>

namespace tarn::gateway {

namespace {

/// The Date header's value, spelled once a second and thread.
std::string_view http_date() {
  thread_local std::time_t last = 0;
  thread_local char text[40];
  thread_local std::size_t size = 0;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != last) {
    std::tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    last = now.tv_sec;
  }
  return {text, size};
}

void append_number(std::string& out, std::uint64_t n) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
  out.append(digits, end);
}

void append_value(std::string& out, std::string_view value) {
  for (const char c : value)
    if (c != '\r' && c != '\n' && c != '\0') out += c;
}

bool same_name(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(), [](unsigned char x, unsigned char y) { return std::tolower(x) == y; });
}

}  // namespace

void append_head(std::string& out, const api::Reply& reply, const Trim& trim) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(reply.status));
  out += ' ';
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(reply.status)));
  out.append(reason.data(), reason.size());
  out += "\r\ndate: ";
  out += http_date();
  out += "\r\nserver: tarn\r\nx-request-id: ";
  out += trim.request_id;
  out += "\r\nx-databricks-request-id: ";
  out += trim.request_id;
  if (trim.org_id) {
    out += "\r\nx-databricks-org-id: ";
    append_number(out, static_cast<std::uint64_t>(trim.org_id));
  }
  const bool bodiless = reply.status == 204 || reply.status == 304 || reply.status < 200;
  bool typed = false, sized = false;
  for (const auto& [name, value] : reply.headers) {
    if (same_name(name, "content-length")) {
      if (!trim.head) continue;  // only a HEAD reply may promise a length that its handler knows and the gateway does not
      sized = true;
    }
    if (same_name(name, "connection") || same_name(name, "transfer-encoding") || same_name(name, "date")) continue;
    typed = typed || same_name(name, "content-type");
    out += "\r\n";
    append_value(out, name);
    out += ": ";
    append_value(out, value);
  }
  const std::uint64_t length = reply.file ? reply.file->length : reply.body.size();
  if (!bodiless && !typed && !reply.content_type.empty()) {
    out += "\r\ncontent-type: ";
    append_value(out, reply.content_type);
  }
  if (!bodiless && !sized) {
    out += "\r\ncontent-length: ";
    append_number(out, length);
  }
  out += "\r\nx-content-type-options: nosniff";
  if (!trim.keep_alive) out += "\r\nconnection: close";
  out += "\r\n\r\n";
}

api::Reply to_reply(const api::WireError& error) { return api::Reply{.status = error.status, .body = error.body(), .headers = error.headers}; }

}  // namespace tarn::gateway
