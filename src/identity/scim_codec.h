#pragma once
// SCIM bodies to and from what the service takes and gives. Private to identity's routes.
#include "api/api.h"
#include "identity/scim.h"

namespace tarn::identity::scim {

Result<Draft> draft_of(std::string_view body);
/// PatchOp bodies as the provider, the SDKs and identity providers send them: with paths, without (an object of attributes), values as
/// text, objects with `value`, or arrays of either.
Result<std::vector<Edit>> edits_of(std::string_view body);
Result<Query> query_of(const api::Request& request);

/// Which attributes a client wants (`attributes`, `excludedAttributes`); id and schemas always come.
class Selection {
 public:
  explicit Selection(const api::Request& request);
  bool wants(std::string_view attribute) const;

 private:
  std::set<std::string> only_, without_;
};

json::object encode(const Resource& resource, const Selection& selection, bool in_workspace);
json::object encode(const Page& page, const Selection& selection, bool in_workspace);
/// The refusal in SCIM's own shape (RFC 7644 section 3.12), which the SDKs read.
api::Reply refusal(const Error& error);

}  // namespace tarn::identity::scim
