#pragma once
// Whom SHOW USERS and SHOW GROUPS list: what SCIM shows of the workspace.
#include <algorithm>

#include "base/text.h"
#include "identity/scim.h"
#include "sql/securables.h"

namespace tarn::app {

class Principals final : public sql::Principals {
 public:
  explicit Principals(identity::scim::Service& scim) : scim_(scim) {}

  Expected<std::vector<std::string>, std::string> users(const access::Context& ctx) override {
    auto found = all(ctx, identity::Kind::user, false);
    if (!found) return fail(found.error());
    std::vector<std::string> out;
    for (const auto& r : *found) out.push_back(r.principal.name);
    std::ranges::sort(out);
    return out;
  }

  Expected<std::vector<Group>, std::string> groups(const access::Context& ctx) override {
    auto found = all(ctx, identity::Kind::group, false);
    if (!found) return fail(found.error());
    std::vector<Group> out;
    for (const auto& r : *found) out.push_back({r.principal.name});
    std::ranges::sort(out, {}, &Group::name);
    return out;
  }

  Expected<std::vector<Group>, std::string> groups_of(const access::Context& ctx, bool group, const std::string& name) override {
    auto found = all(ctx, group ? identity::Kind::group : identity::Kind::user, true);
    if (!found) return fail(found.error());
    for (const auto& r : *found) {
      if (lower(r.principal.name) != lower(name)) continue;
      std::vector<Group> out;
      for (const auto& g : r.groups) out.push_back({g.display, g.direct});
      std::ranges::sort(out, {}, &Group::name);
      return out;
    }
    return fail("[PRINCIPAL_DOES_NOT_EXIST] Could not find principal with name " + name);
  }

 private:
  Expected<std::vector<identity::scim::Resource>, std::string> all(const access::Context& ctx, identity::Kind kind, bool with_groups) {
    std::vector<identity::scim::Resource> out;
    identity::scim::Query query{.with_members = false, .with_groups = with_groups};
    for (;;) {
      auto page = scim_.list(ctx, kind, query);
      if (!page) return fail(page.error().message);
      out.insert(out.end(), page->resources.begin(), page->resources.end());
      query.start_index += static_cast<std::int64_t>(page->resources.size());
      if (page->resources.empty() || query.start_index > page->total) return out;
    }
  }
  identity::scim::Service& scim_;
};

}  // namespace tarn::app
