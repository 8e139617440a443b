#include "objects/s3_wire.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include <ctime>
#include <mutex>

namespace tarn::objects::s3 {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

XmlNode node_of(const xmlNode* n) {
  XmlNode out{.name = reinterpret_cast<const char*>(n->name)};
  for (const xmlNode* c = n->children; c; c = c->next) {
    if (c->type == XML_ELEMENT_NODE) out.children.push_back(node_of(c));
    if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content) out.text += reinterpret_cast<const char*>(c->content);
  }
  return out;
}

}  // namespace

Error error_of(const objects::Error& e) {
  switch (e.code) {
    case Errc::no_such_bucket:
      return {404, "NoSuchBucket", e.message};
    case Errc::no_such_key:
      return {404, "NoSuchKey", e.message};
    case Errc::already_exists:
      return {412, "PreconditionFailed", e.message};
    case Errc::precondition_failed:
      return {412, "PreconditionFailed", e.message};
    case Errc::invalid_name:
      return {400, "InvalidArgument", e.message};
    case Errc::denied:
      return {403, "AccessDenied", e.message};
    case Errc::unavailable:
      return {503, "ServiceUnavailable", "The storage cannot answer now, try again."};
    case Errc::bad_digest:
      return {400, "BadDigest", e.message};
    case Errc::range_not_satisfiable:
      return {416, "InvalidRange", "The requested range is not satisfiable"};
    case Errc::too_large:
      return {400, "MetadataTooLarge", e.message};
    case Errc::invalid_request:
      return {400, "InvalidRequest", e.message};
  }
  return {500, "InternalError", "We encountered an internal error. Please try again."};
}

Error access_denied(std::string message) { return {403, "AccessDenied", std::move(message)}; }
Error invalid_request(std::string message) { return {400, "InvalidRequest", std::move(message)}; }
Error invalid_argument(std::string message) { return {400, "InvalidArgument", std::move(message)}; }
Error unsupported(std::string_view what) { return {501, "NotImplemented", fmt::format("This storage does not offer {}.", what)}; }

XmlWriter::XmlWriter(std::string_view root) : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {
  out_ += fmt::format("<{} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", root);
  open_.emplace_back(root);
}
XmlWriter& XmlWriter::open(std::string_view name) {
  out_ += fmt::format("<{}>", name);
  open_.emplace_back(name);
  return *this;
}
XmlWriter& XmlWriter::close() {
  out_ += fmt::format("</{}>", open_.back());
  open_.pop_back();
  return *this;
}
XmlWriter& XmlWriter::text(std::string_view name, std::string_view value) {
  out_ += fmt::format("<{0}>{1}</{0}>", name, escaped(value));
  return *this;
}
std::string XmlWriter::finish() {
  while (!open_.empty()) close();
  return std::move(out_);
}

std::string XmlNode::child(std::string_view wanted) const {
  for (const auto& c : children)
    if (c.name == wanted) return c.text;
  return {};
}

Result<XmlNode> parse_xml(std::string_view text, std::string_view root) {
  static std::once_flag once;
  std::call_once(once, ::xmlInitParser);
  const Error malformed{400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"};
  const std::unique_ptr<xmlDoc, void (*)(xmlDoc*)> doc(
      ::xmlReadMemory(text.data(), static_cast<int>(text.size()), "request.xml", nullptr, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING),
      ::xmlFreeDoc);
  if (!doc || doc->intSubset || doc->extSubset) return fail(malformed);
  const xmlNode* top = ::xmlDocGetRootElement(doc.get());
  if (!top) return fail(malformed);
  XmlNode out = node_of(top);
  if (out.name != root) return fail(malformed);
  return out;
}

api::Reply xml_reply(std::string body, int status) { return {.status = status, .body = std::move(body), .content_type = "application/xml"}; }

api::Reply error_reply(const Error& e, const api::Request& r) {
  // Errors have no namespace: clients look for the bare element names.
  std::string body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>";
  auto add = [&](std::string_view name, std::string_view value) { body += fmt::format("<{0}>{1}</{0}>", name, escaped(value)); };
  add("Code", e.code);
  add("Message", e.message);
  for (const auto& [name, value] : e.fields) add(name, value);
  add("Resource", r.path);
  add("RequestId", r.context.request_id);
  body += "</Error>";
  auto out = xml_reply(std::move(body), e.status);
  out.headers.emplace_back("x-amz-request-id", r.context.request_id);
  if (e.status == 503) out.headers.emplace_back("Retry-After", "1");
  return out;
}

std::string http_date(Millis at) {
  const std::time_t s = static_cast<std::time_t>(at / 1000);
  std::tm tm{};
  ::gmtime_r(&s, &tm);
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
}

std::optional<Millis> from_http_date(const std::string& text) {
  std::tm tm{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
  if (!end || *end != 0) return std::nullopt;
  return static_cast<Millis>(::timegm(&tm)) * 1000;
}

}  // namespace tarn::objects::s3
