#pragma once
// What the S3 protocol looks like on the wire: its errors and its XML (S3 API reference, "Error responses"). Private to this room.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/api.h"
#include "objects/object_store.h"

namespace tarn::objects::s3 {

struct Error {
  int status = 500;
  std::string code, message;
  std::vector<std::pair<std::string, std::string>> fields{};  // further elements: Region, StringToSign, …
};
template <class T>
using Result = Expected<T, Error>;

/// The room's errors as S3 says them.
Error error_of(const objects::Error& error);

Error access_denied(std::string message = "Access Denied");
Error invalid_request(std::string message);
Error invalid_argument(std::string message);
Error unsupported(std::string_view what);  // 501 NotImplemented, S3's code for what a server does not offer

/// Builds a document; values are escaped (control characters that XML 1.0 cannot hold become '?').
class XmlWriter {
 public:
  explicit XmlWriter(std::string_view root);
  XmlWriter& open(std::string_view name);
  XmlWriter& close();
  XmlWriter& text(std::string_view name, std::string_view value);
  /// Closes what is open.
  std::string finish();

 private:
  std::string out_;
  std::vector<std::string> open_;
};

struct XmlNode {
  std::string name, text;
  std::vector<XmlNode> children;
  /// The text of the first child of this name; empty if there is none.
  std::string child(std::string_view name) const;
};

/// Parses a request body; the root must have this name. Refuses document types and entities. Error: MalformedXML.
Result<XmlNode> parse_xml(std::string_view text, std::string_view root);

api::Reply xml_reply(std::string body, int status = 200);
api::Reply error_reply(const Error& error, const api::Request& request);

/// RFC 1123, as in Last-Modified; and back (milliseconds).
std::string http_date(Millis at);
std::optional<Millis> from_http_date(const std::string& text);

}  // namespace tarn::objects::s3
