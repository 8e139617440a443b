#pragma once
// Who sees what, as a few lines that know nothing of the platform: the fuzzer's other opinion. For tests only.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "catalog/catalog.h"

namespace tarn::sql::testing::model {

using Privilege = catalog::Privilege;

// --- values and expressions, evaluated here and written as SQL -------------------------------------------------------------------------

struct Cell {
  bool null = true, text = false;
  std::int64_t n = 0;
  std::string s;
  static Cell of(std::int64_t n) { return {false, false, n, {}}; }
  static Cell of(std::string s) { return {false, true, 0, std::move(s)}; }
  std::string shown() const { return null ? "NULL" : text ? s : std::to_string(n); }
};
using Tuple = std::array<Cell, 4>;  // k, g, v, s
constexpr std::array<const char*, 4> kColumns{"k", "g", "v", "s"};
constexpr std::array<const char*, 4> kTypes{"bigint", "string", "bigint", "string"};

struct Asker {
  std::string user;
  std::set<std::string> groups;
};

enum class Op { equal, less, even, is_null, member, user, mapped, both, either, negated };
struct Expr {
  Op op = Op::equal;
  int column = 0;
  Cell value;
  std::string name;
  std::vector<Expr> parts;
};

struct Facts {
  std::vector<std::pair<std::string, std::string>> map;  // who sees which g: table `maps`
};

/// Three-valued: nothing is NULL.
inline std::optional<bool> holds(const Expr& e, const Tuple& row, const Asker& asker, const Facts& facts) {
  const Cell& c = row[static_cast<std::size_t>(e.column)];
  switch (e.op) {
    case Op::equal:
      if (c.null) return std::nullopt;
      return c.text ? c.s == e.value.s : c.n == e.value.n;
    case Op::less:
      if (c.null) return std::nullopt;
      return c.n < e.value.n;
    case Op::even:
      if (c.null) return std::nullopt;
      return c.n % 2 == 0;
    case Op::is_null:
      return c.null;
    case Op::member:
      return asker.groups.contains(e.name);
    case Op::user:
      return asker.user == e.name;
    case Op::mapped:
      return !c.null && std::ranges::find(facts.map, std::pair(asker.user, c.s)) != facts.map.end();
    case Op::both: {
      const auto a = holds(e.parts[0], row, asker, facts), b = holds(e.parts[1], row, asker, facts);
      if (a == false || b == false) return false;
      if (!a || !b) return std::nullopt;
      return true;
    }
    case Op::either: {
      const auto a = holds(e.parts[0], row, asker, facts), b = holds(e.parts[1], row, asker, facts);
      if (a == true || b == true) return true;
      if (!a || !b) return std::nullopt;
      return false;
    }
    case Op::negated: {
      const auto a = holds(e.parts[0], row, asker, facts);
      return a ? std::optional(!*a) : std::nullopt;
    }
  }
  return std::nullopt;
}

inline std::string sql_of(const Expr& e, const std::function<std::string(int)>& column) {
  const auto c = column(e.column);
  const auto literal = e.value.text ? "'" + e.value.s + "'" : std::to_string(e.value.n);
  switch (e.op) {
    case Op::equal:
      return c + " = " + literal;
    case Op::less:
      return c + " < " + literal;
    case Op::even:
      return c + " % 2 = 0";
    case Op::is_null:
      return c + " IS NULL";
    case Op::member:
      return "is_account_group_member('" + e.name + "')";
    case Op::user:
      return "current_user() = '" + e.name + "'";
    case Op::mapped:
      return "EXISTS (SELECT 1 FROM main.s.maps AS m WHERE m.who = current_user() AND m.g = " + c + ")";
    case Op::both:
      return "(" + sql_of(e.parts[0], column) + " AND " + sql_of(e.parts[1], column) + ")";
    case Op::either:
      return "(" + sql_of(e.parts[0], column) + " OR " + sql_of(e.parts[1], column) + ")";
    case Op::negated:
      return "NOT (" + sql_of(e.parts[0], column) + ")";
  }
  return "";
}

inline bool reads_map(const Expr& e) { return e.op == Op::mapped || std::ranges::any_of(e.parts, reads_map); }

// --- the model -------------------------------------------------------------------------------------------------------------------------

inline bool uses_only(const Expr& e, const std::set<int>& columns) {
  const bool row = e.op != Op::member && e.op != Op::user && e.op != Op::both && e.op != Op::either && e.op != Op::negated;
  return (!row || columns.contains(e.column)) && std::ranges::all_of(e.parts, [&](const Expr& p) { return uses_only(p, columns); });
}

/// A function of all four columns (so that any table can use any): a filter's, or a mask's of one column. One for policies over tags masks with
/// three.
struct ModelFunction {
  std::string name, owner;
  Expr rule;
  int column = -1;  // masks: the column where the rule holds, else `other`
  Cell other;
  bool dropped = false;
  bool of_policy = false;  // its parameters: the masked column, k, g
};

/// A policy over tags. A mask's column is one that is tagged `pii`.
struct ModelPolicy {
  std::string on;  // main, main.s, main.s.t0
  std::set<std::string> to, except;
  std::string zone;  // the value that the nearest tag `zone` must have; empty: any
  bool not_zone = false;
  const ModelFunction* function = nullptr;
};

struct ModelTable {
  std::string owner;
  std::vector<Tuple> rows;
  const ModelFunction* filter = nullptr;
  std::array<const ModelFunction*, 4> masks{};
};
struct ModelView {
  std::string owner, base;
  Expr where;
};

struct Model {
  Facts facts;
  std::map<std::string, std::set<std::string>> groups;  // of users
  std::map<std::string, ModelTable> tables;
  std::map<std::string, ModelView> views;
  std::vector<std::unique_ptr<ModelFunction>> functions;
  std::map<std::string, ModelPolicy> policies;        // by name
  std::map<std::string, std::string> zones;           // of main, main.s, main.s.t0
  std::set<std::pair<std::string, std::size_t>> pii;  // table and column
  std::string maps_owner;
  std::set<std::tuple<std::string, std::string, Privilege>> grants;  // securable, principal, privilege

  bool granted(const std::string& on, const std::string& who, Privilege p) const {
    auto all = groups.contains(who) ? groups.at(who) : std::set<std::string>{};
    all.insert(who);
    all.insert("account users");
    return std::ranges::any_of(all, [&](const auto& one) {
      return grants.contains({on, one, p}) || grants.contains({on, one, Privilege::ALL_PRIVILEGES});
    });
  }
  bool is(const std::string& who, const std::string& owner) const { return who == owner || (groups.contains(who) && groups.at(who).contains(owner)); }
  bool can(const std::string& who, const std::string& object, const std::string& owner, Privilege p) const {
    const bool admin = who == kAdmin;  // made the catalog and the schema
    if (!admin && !granted("main", who, Privilege::USE_CATALOG)) return false;
    if (!admin && !granted("main", who, Privilege::USE_SCHEMA) && !granted("main.s", who, Privilege::USE_SCHEMA)) return false;
    return is(who, owner) || granted("main", who, p) || granted("main.s", who, p) || granted("main.s." + object, who, p);
  }
  bool runs(const ModelFunction& f, const ModelTable& t) const {
    if (f.dropped || !can(t.owner, f.name, f.owner, Privilege::EXECUTE)) return false;
    return !reads_map(f.rule) || can(f.owner, "maps", maps_owner, Privilege::SELECT);
  }
  /// The functions that filter a table for an asker, and mask its columns: its own, and those of the policies that mean him. Several: it is closed.
  struct Seen {
    std::set<const ModelFunction*> filters;
    std::array<std::set<const ModelFunction*>, 4> masks;
  };
  Seen seen(const std::string& name, const Asker& asker) const {
    const auto& t = tables.at(name);
    Seen out;
    if (t.filter) out.filters.insert(t.filter);
    for (std::size_t i = 0; i < 4; ++i)
      if (t.masks[i]) out.masks[i].insert(t.masks[i]);
    std::string zone;
    for (const auto& level : {std::string("main"), std::string("main.s"), "main.s." + name})
      if (const auto z = zones.find(level); z != zones.end()) zone = z->second;
    const auto named = [&](const std::set<std::string>& who) {
      return who.contains(asker.user) || std::ranges::any_of(asker.groups, [&](const auto& g) { return who.contains(g); });
    };
    for (const auto& [_, p] : policies) {
      if (p.on != "main" && p.on != "main.s" && p.on != "main.s." + name) continue;
      if (!p.zone.empty() && (zone == p.zone) == p.not_zone) continue;
      if (!named(p.to) || named(p.except)) continue;
      if (p.function->column < 0)
        out.filters.insert(p.function);
      else if (pii.contains({name, static_cast<std::size_t>(p.function->column)}))
        out.masks[static_cast<std::size_t>(p.function->column)].insert(p.function);
    }
    return out;
  }
  /// What `who` gets for `asker` from a table or view; nothing: refused.
  std::optional<std::vector<Tuple>> read(const std::string& name, const std::string& who, const Asker& asker) const {
    if (const auto v = views.find(name); v != views.end()) {
      if (!can(who, name, v->second.owner, Privilege::SELECT)) return std::nullopt;
      const auto below = read(v->second.base, v->second.owner, asker);
      if (!below) return std::nullopt;
      if (reads_map(v->second.where) && !can(v->second.owner, "maps", maps_owner, Privilege::SELECT)) return std::nullopt;
      std::vector<Tuple> out;
      for (const auto& row : *below)
        if (holds(v->second.where, row, asker, facts) == true) out.push_back(row);
      return out;
    }
    const auto& t = tables.at(name);
    if (!can(who, name, t.owner, Privilege::SELECT)) return std::nullopt;
    if (t.filter && !runs(*t.filter, t)) return std::nullopt;
    for (const auto* m : t.masks)
      if (m && !runs(*m, t)) return std::nullopt;
    const auto all = seen(name, asker);
    // A policy's function runs in its maker's name, who owns it too: gone is all that can befall it.
    const auto one = [](const std::set<const ModelFunction*>& of) { return of.empty() ? nullptr : *of.begin(); };
    for (const auto* of : {&all.filters, &all.masks[0], &all.masks[1], &all.masks[2], &all.masks[3]})
      if (of->size() > 1 || (one(*of) && one(*of)->dropped)) return std::nullopt;
    std::vector<Tuple> out;
    for (const auto& row : t.rows) {
      if (const auto* f = one(all.filters); f && holds(f->rule, row, asker, facts) != true) continue;
      Tuple shown = row;
      for (std::size_t i = 0; i < 4; ++i)
        if (const auto* m = one(all.masks[i]); m && holds(m->rule, row, asker, facts) != true) shown[i] = m->other;
      out.push_back(std::move(shown));
    }
    return out;
  }
  bool governed(const std::string& name, const Asker& asker) const {
    if (const auto v = views.find(name); v != views.end()) return governed(v->second.base, asker);
    const auto all = seen(name, asker);
    return !all.filters.empty() || std::ranges::any_of(all.masks, [](const auto& m) { return !m.empty(); });
  }

  static constexpr const char* kAdmin = "11111111-2222-3333-4444-555555555555";
};

}  // namespace tarn::sql::testing::model
