#pragma once
// ObjectPermissions for the tests of rooms that own objects: lists in memory, by the names that a Caller carries, with the contract of the
// real ones (src/permissions) as far as `allows` goes. Not thread-safe.
#include <algorithm>
#include <map>

#include "access/object_permissions.h"

namespace tarn::access::testing {

class FakePermissions final : public ObjectPermissions {
 public:
  /// Lets a user, service principal or group (by name) have a level; an empty level takes it away.
  void grant(std::int64_t workspace, const ObjectRef& object, const std::string& principal, const std::string& level) {
    auto& list = lists_[key(workspace, object)];
    if (level.empty())
      list.erase(principal);
    else
      list[principal] = level;
  }
  const ObjectKind* kind(std::string_view type) const {
    const auto i = std::ranges::find(kinds_, type, &ObjectKind::type);
    return i == kinds_.end() ? nullptr : &*i;
  }
  /// A list of nobody, as an administrator's PUT leaves it.
  void clear(std::int64_t workspace, const ObjectRef& object) { lists_[key(workspace, object)].clear(); }
  bool has_list(std::int64_t workspace, const ObjectRef& object) const { return lists_.contains(key(workspace, object)); }

  void add_kind(ObjectKind kind) override { kinds_.push_back(std::move(kind)); }
  /// Its owner is gone, and another is about to bring it.
  void forget_kind(std::string_view type) {
    std::erase_if(kinds_, [&](const ObjectKind& k) { return k.type == type; });
  }
  bool allows(const Context& ctx, const ObjectRef& object, std::string_view level) override {
    const auto* k = kind(object.type);
    if (!k || std::ranges::find(k->levels, level, &ObjectLevel::name) == k->levels.end()) return false;
    if (ctx.caller.workspace_admin) return true;
    for (const auto& held : held_by(ctx, *k, object))
      if (held == level || implies(*k, held, level)) return true;
    return false;
  }
  std::string level_of(const Context& ctx, const ObjectRef& object) override {
    const auto* k = kind(object.type);
    if (!k) return {};
    if (ctx.caller.workspace_admin) return k->levels.back().name;
    const auto held = held_by(ctx, *k, object);
    for (auto l = k->levels.rbegin(); l != k->levels.rend(); ++l)
      if (std::ranges::find(held, l->name) != held.end()) return l->name;
    return {};
  }
  std::string owner_of(std::int64_t workspace, const ObjectRef& object) override {
    if (const auto i = lists_.find(key(workspace, object)); i != lists_.end())
      for (const auto& [who, level] : i->second)
        if (level == "IS_OWNER") return who;
    return {};
  }
  void on_created(store::WriteTxn&, std::int64_t workspace, const ObjectRef& object, const Caller& creator) override {
    const auto* k = kind(object.type);
    auto& list = lists_[key(workspace, object)];
    if (k && !k->creator_level.empty()) list[creator.name] = k->creator_level;
  }
  void on_deleted(store::WriteTxn&, std::int64_t workspace, const ObjectRef& object) override { lists_.erase(key(workspace, object)); }

 private:
  static std::string key(std::int64_t workspace, const ObjectRef& o) { return std::to_string(workspace) + "/" + o.type + "/" + o.id; }
  static bool implies(const ObjectKind& k, const std::string& held, std::string_view level) {
    for (const auto& l : k.levels) {
      if (l.name == held) return l.implies && std::ranges::find(*l.implies, level) != l.implies->end();
      if (l.name == level) {
        const auto h = std::ranges::find(k.levels, held, &ObjectLevel::name);
        return h != k.levels.end() && (!h->implies || std::ranges::find(*h->implies, level) != h->implies->end());
      }
    }
    return false;
  }
  std::vector<std::string> held_by(const Context& ctx, const ObjectKind& k, const ObjectRef& object) {
    std::vector<std::string> out;
    const auto workspace = ctx.workspace_id.value_or(0);
    std::vector<ObjectRef> chain{object};
    if (k.find && std::ranges::find(k.roots, object.id) == k.roots.end()) {
      const auto found = k.find(workspace, object.id);
      if (!found) return out;
      chain.insert(chain.end(), found->parents.begin(), found->parents.end());
    }
    if (!lists_.contains(key(workspace, object)) && std::ranges::find(k.roots, object.id) != k.roots.end())
      for (const auto& d : k.root_defaults)
        if (ctx.caller.workspace_groups.contains(d.group)) out.push_back(d.level);
    for (const auto& o : chain)
      if (const auto i = lists_.find(key(workspace, o)); i != lists_.end())
        for (const auto& [who, level] : i->second)
          if (who == ctx.caller.name || ctx.caller.group_names.contains(who) || ctx.caller.workspace_groups.contains(who)) out.push_back(level);
    return out;
  }

  std::vector<ObjectKind> kinds_;
  std::map<std::string, std::map<std::string, std::string>> lists_;
};

}  // namespace tarn::access::testing
