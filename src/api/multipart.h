#pragma once
// Bodies of type multipart/form-data (RFC 7578), as SDKs upload files: from memory or from the gateway's spool file, where a large part stays on
// disk.
#include "api/api.h"

namespace tarn::api {

struct FormPart {
  std::string name, file_name, content_type;
  std::uint64_t offset = 0, length = 0;  // of its bytes in the body
};

class Form {
 public:
  /// The request's parts; 400 for a body that is not what its content type says, 413 beyond 1,000 parts. `r` must outlive this.
  static Expected<Form, WireError> of(const Request& r);
  static bool is_form(const Request& r);

  const FormPart* find(std::string_view name) const;
  /// A field's text; nothing if there is none. At most 64 KiB, 400 beyond.
  Expected<std::optional<std::string>, WireError> text(std::string_view name) const;
  /// Bytes of a part, in memory.
  std::string bytes(const FormPart& part) const;
  /// Copies a part into a new file. False if the disk refuses.
  bool save(const FormPart& part, const std::string& path) const;

 private:
  explicit Form(const Request& r) : request_(&r) {}
  std::string_view view(std::uint64_t offset, std::uint64_t length) const;
  const Request* request_;
  std::string_view mapped_;              // the whole body, in memory or mapped
  std::shared_ptr<const void> mapping_;  // keeps a spool file mapped
  std::vector<FormPart> parts_;
};

/// Bytes that follow from the request: its body or its spool file's content, at most `most`; 413 beyond.
Expected<std::string, WireError> whole_body(const Request& r, std::uint64_t most);

}  // namespace tarn::api
