#pragma once
// For the tests of rooms above identity: a directory in memory and requests as the gateway makes them (match, least right, handler).
#include <gtest/gtest.h>

#include "api/api.h"
#include "identity/directory.h"

namespace tarn::identity::testing {

class FakeDirectory final : public Directory {
 public:
  std::int64_t add(Kind kind, std::string name) {
    const std::int64_t id = 1000 + static_cast<std::int64_t>(all_.size());
    all_[id] = {.id = id, .kind = kind, .name = name, .display_name = name};
    return id;
  }
  void join(const std::string& member, const std::string& group) { groups_[find_principal(member)->id].insert(group); }
  void forget(const std::string& name) { all_.erase(find_principal(name)->id); }
  void make_admin(const std::string& name) { admins_.insert(find_principal(name)->id); }

  std::optional<PrincipalRef> find_principal(std::string_view name) override {
    for (const auto& [id, p] : all_)
      if (p.name == name) return p;
    return std::nullopt;
  }
  std::optional<PrincipalRef> get_principal(std::int64_t id) override {
    const auto i = all_.find(id);
    return i == all_.end() ? std::nullopt : std::optional(i->second);
  }
  std::optional<PrincipalRef> find_local_group(std::int64_t workspace, std::string_view name) override {
    if (name != "users" && name != "admins") return std::nullopt;
    return PrincipalRef{.id = workspace * 10 + (name == "admins"), .kind = Kind::group, .name = std::string(name), .display_name = std::string(name)};
  }
  std::optional<PrincipalRef> get_local_group(std::int64_t workspace, std::int64_t id) override {
    return find_local_group(workspace, id == workspace * 10 ? "users" : id == workspace * 10 + 1 ? "admins" : "");
  }
  std::optional<access::Caller> caller(std::int64_t id, std::optional<std::int64_t>) override {
    const auto i = all_.find(id);
    if (i == all_.end() || i->second.kind == Kind::group) return std::nullopt;
    access::Caller c{.id = id, .name = i->second.name, .display_name = i->second.name, .workspace_admin = admins_.contains(id)};
    c.kind = i->second.kind == Kind::user ? access::PrincipalKind::user : access::PrincipalKind::service_principal;
    c.group_names = groups_[id];
    c.workspace_groups = {"users"};
    if (c.workspace_admin) c.workspace_groups.insert("admins");
    c.entitlements = {"workspace-access", "databricks-sql-access"};
    return c;
  }
  Expected<access::Caller, Refusal> authenticate(std::string_view, std::optional<std::int64_t>) override { return fail(Refusal{}); }
  bool is_assigned(std::int64_t, std::int64_t) override { return true; }
  bool holds_role(const access::Caller&, std::int64_t, std::string_view) override { return false; }

  access::Context as(const std::string& name, std::int64_t workspace = 1) {
    return {.caller = *caller(find_principal(name)->id, workspace), .workspace_id = workspace, .request_id = "test"};
  }

 private:
  std::map<std::int64_t, PrincipalRef> all_;
  std::map<std::int64_t, std::set<std::string>> groups_;
  std::set<std::int64_t> admins_;
};

struct Answer {
  int status = 0;
  json::value body;
  std::string text;
  std::multimap<std::string, std::string> headers;
  std::optional<api::FileSlice> file;

  std::string at(std::initializer_list<std::string_view> path) const {
    const json::value* v = &body;
    for (const auto name : path) {
      v = v->is_object() ? v->as_object().if_contains(name) : nullptr;
      if (!v) return "";
    }
    return v->is_string() ? std::string(v->as_string()) : boost::json::serialize(*v);
  }
  std::string at(std::string_view name) const { return at({name}); }
  std::string code() const { return at("error_code"); }
  std::string message() const { return at("message"); }
};

/// One request on a workspace host.
inline Answer call(const api::Router& router, api::Method method, const std::string& target, const access::Context& who, const std::string& body = "",
                   std::map<std::string, std::string> headers = {}, const std::string& body_file = "") {
  const auto refused = [](const api::WireError& e) { return Answer{e.status, *json::parse(e.body()), e.body(), {}, {}}; };
  const auto question = target.find('?');
  auto m = router.match(method, api::Surface::workspace, target.substr(0, question));
  if (!m.route && method == api::Method::HEAD) m = router.match(api::Method::GET, api::Surface::workspace, target.substr(0, question));
  if (!m.route) return {m.path_known ? 405 : 404, nullptr, "no route for " + target, {}, {}};
  if (auto e = api::authorise(m.route->auth, who.caller)) return refused(*e);
  api::Request r{.method = method, .captures = m.captures};
  r.path = target.substr(0, question);
  if (question != target.npos) r.raw_query = target.substr(question + 1), r.query = api::parse_query(r.raw_query);
  r.headers = std::move(headers);
  r.body = body;
  r.body_file = body_file;
  r.context = who;
  r.surface = api::Surface::workspace;
  auto result = std::get<api::Handler>(m.route->handler)(r);
  if (!result) return refused(result.error());
  auto parsed = json::parse(result->body);
  return {result->status, parsed ? *parsed : json::value(nullptr), result->body, {result->headers.begin(), result->headers.end()}, result->file};
}

}  // namespace tarn::identity::testing
