#include "sql/rewrite_json.h"

namespace tarn::sql {
namespace {

json::array columns_json(const std::vector<RelationColumn>& columns) {
  json::array out;
  for (const auto& c : columns) {
    json::object one{{"name", c.name}, {"type", c.type}};
    if (!c.declared.empty()) one["declared"] = c.declared;
    if (c.hidden) one["hidden"] = true;
    out.push_back(std::move(one));
  }
  return out;
}

json::object call_json(const Policy::Call& c) {
  json::array columns;
  for (std::size_t i = 0; i < c.columns.size(); ++i)
    if (i < c.constants.size() && c.constants[i])
      columns.push_back(json::object{{"constant", c.columns[i]}});
    else
      columns.emplace_back(c.columns[i]);
  return {{"function", c.function}, {"columns", std::move(columns)}};
}

json::object places_json(const std::map<std::string, int>& routines) {
  json::object out;
  for (const auto& [name, place] : routines) out[name] = place;
  return out;
}

json::array functions_json(const std::vector<FunctionDef>& functions) {
  json::array out;
  for (const auto& f : functions) {
    json::array relations;
    for (const int r : f.relations) relations.emplace_back(r);
    auto parameters = columns_json(f.parameters);
    for (std::size_t i = 0; i < f.defaults.size() && i < parameters.size(); ++i)
      if (!f.defaults[i].empty()) parameters[i].as_object()["default"] = f.defaults[i];
    out.push_back({{"name", f.name},
                   {"parameters", std::move(parameters)},
                   {"table", f.table},
                   {"columns", columns_json(f.columns)},
                   {"returns", f.returns},
                   {"body", f.body},
                   {"relations", std::move(relations)},
                   {"routines", places_json(f.routines)}});
  }
  return out;
}

json::object policy_json(const Policy& p) {
  json::object out, masks;
  if (p.filter) out["filter"] = call_json(*p.filter);
  for (const auto& [column, call] : p.masks) masks[column] = call_json(call);
  out["masks"] = std::move(masks);
  return out;
}

std::vector<Piece> pieces_of(const json::value& v) {
  std::vector<Piece> out;
  for (const auto& p : v.as_array()) {
    if (p.is_string()) {
      out.push_back({Piece::Kind::text, std::string(p.as_string()), 0});
      continue;
    }
    const auto& hole = *p.as_object().begin();
    const std::string_view kind = hole.key();
    Piece piece;
    if (kind == "rel")
      piece.kind = Piece::Kind::relation, piece.index = static_cast<int>(hole.value().as_int64());
    else if (kind == "target")
      piece.kind = Piece::Kind::target;
    else if (kind == "param")
      piece.kind = Piece::Kind::parameter, piece.text = hole.value().as_string();
    else if (kind == "asker")
      piece.kind = Piece::Kind::asker;
    else if (kind == "user")
      piece.kind = Piece::Kind::user;
    else if (kind == "member")
      piece.kind = Piece::Kind::member, piece.text = hole.value().as_string();
    else if (kind == "local_member")
      piece.kind = Piece::Kind::local_member, piece.text = hole.value().as_string();
    else if (kind == "catalog")
      piece.kind = Piece::Kind::catalog;
    else if (kind == "schema")
      piece.kind = Piece::Kind::schema;
    else
      throw std::logic_error("the SQL parser sent an unknown piece");
    out.push_back(std::move(piece));
  }
  return out;
}

MergeRewrite merge_of(const json::object& o) {
  MergeRewrite out{std::string(o.at("target_alias").as_string()), std::string(o.at("source_alias").as_string()), pieces_of(o.at("on")), {}};
  for (const auto& v : o.at("clauses").as_array()) {
    const auto& c = v.as_object();
    MergeClause clause;
    const std::string_view kind_name = c.at("kind").as_string();
    const auto kind = json::enum_of<MergeKind>(kind_name);
    const std::string_view action = c.at("action").as_string();
    if (!kind) throw std::logic_error("the SQL parser sent an unknown clause");
    clause.kind = *kind;
    clause.action = action == "delete" ? MergeAction::delete_ : action == "insert" ? MergeAction::insert : MergeAction::update;
    if (const auto* condition = c.if_contains("condition")) clause.condition = pieces_of(*condition);
    for (const auto& column : c.at("columns").as_array()) clause.columns.emplace_back(column.as_string());
    for (const auto& value : c.at("values").as_array()) clause.values.push_back(pieces_of(value));
    for (const auto& used : c.at("sources").as_array()) {
      auto& names = clause.sources.emplace_back();
      for (const auto& name : used.as_array()) names.emplace_back(name.as_string());
    }
    out.clauses.push_back(std::move(clause));
  }
  return out;
}

}  // namespace

json::object constants_json(const std::map<std::string, Constant>& constants) {
  json::object out;
  for (const auto& [name, c] : constants) out[name] = {{"type", c.type}, {"value", c.value ? json::value(*c.value) : json::value(nullptr)}};
  return out;
}

json::object to_json(const RewriteRequest& request) {
  json::array relations;
  for (std::size_t i = 0; i < request.relations.size(); ++i)
    relations.push_back({{"columns", columns_json(request.relations[i])},
                         {"kind", json::name_of(i < request.kinds.size() ? request.kinds[i] : ReferenceKind::table)}});
  json::object out{{"op", "rewrite"}, {"sql", request.sql}, {"relations", std::move(relations)}};
  if (!request.target.empty()) out["target"] = columns_json(request.target);
  if (request.evolved) out["evolved"] = columns_json(*request.evolved);
  if (!request.defaults.empty()) {
    json::object defaults;
    for (const auto& [column, text] : request.defaults) defaults[column] = text;
    out["defaults"] = std::move(defaults);
  }
  if (!request.functions.empty()) out["functions"] = functions_json(request.functions);
  if (!request.routines.empty()) out["routines"] = places_json(request.routines);
  if (request.policy) out["policy"] = policy_json(*request.policy);
  if (request.probe) out["probe"] = *request.probe;
  if (request.final) out["final"] = true;
  if (request.sail) out["engine"] = "sail";
  if (!request.endpoints.empty()) {
    json::object endpoints;
    for (const auto& [name, type] : request.endpoints) endpoints[name] = type;
    out["endpoints"] = std::move(endpoints);
  }
  if (!request.variables.empty()) out["variables"] = constants_json(request.variables);
  if (!request.zone.empty()) out["zone"] = request.zone;
  if (request.wide) out["wide"] = true;
  json::object parameters;
  for (const auto& [name, type] : request.parameters) parameters[name] = type;
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  return out;
}

static RelationBound bound_of(const json::object& o) {
  RelationBound out{static_cast<int>(o.at("rel").as_int64()), std::string(o.at("column").as_string()), std::string(o.at("op").as_string()), {}};
  for (const auto& v : o.at("values").as_array()) {
    const auto part = [&](const char* key) {
      const auto* text = v.as_object().if_contains(key);
      return text ? std::string(text->as_string()) : std::string();
    };
    out.values.push_back({part("parameter"), part("text"), part("type")});
  }
  return out;
}

Rewrite rewrite_of(const json::value& answer) {
  const auto& o = answer.as_object();
  Rewrite out;
  if (auto* v = o.if_contains("query")) out.query = pieces_of(*v);
  if (auto* v = o.if_contains("columns"))
    for (const auto& c : v->as_array()) out.columns.emplace_back(c.as_string());
  if (auto* v = o.if_contains("types"))
    for (const auto& t : v->as_array()) out.types.emplace_back(t.as_string());
  if (auto* v = o.if_contains("declared"))
    for (const auto& t : v->as_array()) out.declared.emplace_back(t.as_string());
  if (auto* v = o.if_contains("lineage"))
    for (const auto& column : v->as_array()) {
      auto& sources = out.lineage.emplace_back();
      for (const auto& s : column.as_array())
        sources.emplace_back(static_cast<int>(s.as_array().at(0).as_int64()), std::string(s.as_array().at(1).as_string()));
    }
  if (auto* v = o.if_contains("origins"))
    for (const auto& origin : v->as_array()) {
      auto& own = out.origins.emplace_back();
      if (const auto& parts = origin.as_array(); !parts.empty())
        own = {static_cast<int>(parts.at(0).as_int64()), std::string(parts.at(1).as_string())};
    }
  if (auto* v = o.if_contains("bounds"))
    for (const auto& b : v->as_array()) out.bounds.push_back(bound_of(b.as_object()));
  if (auto* v = o.if_contains("predicate")) out.predicate = pieces_of(*v);
  if (auto* v = o.if_contains("assignments"))
    for (const auto& a : v->as_array())
      out.assignments.push_back({std::string(a.as_object().at("column").as_string()), pieces_of(a.as_object().at("value"))});
  if (auto* v = o.if_contains("target_alias")) out.target_alias = v->as_string();
  if (auto* v = o.if_contains("merge")) out.merge = merge_of(v->as_object());
  return out;
}

std::string cache_key(const RewriteRequest& request) {
  std::string key = request.sql;
  const auto add = [&key](const std::vector<RelationColumn>& columns) {
    key += '\x1e';
    for (const auto& c : columns)
      key.append(c.name).append(1, '\x1f').append(c.type).append(1, '\x1f').append(c.declared).append(c.hidden ? "\x1fh\x1f" : "\x1f");
  };
  for (const auto& r : request.relations) add(r);
  key += '\x1d';
  add(request.target);
  if (request.evolved) key += '\x1a', add(*request.evolved);
  for (const auto& [column, text] : request.defaults) key.append(1, '\x1b').append(column).append(1, '\x1f').append(text);
  if (!request.routines.empty()) key += '\x1c' + boost::json::serialize(places_json(request.routines));
  if (!request.functions.empty()) key += '\x1c' + boost::json::serialize(functions_json(request.functions));
  if (request.policy) key += '\x1c' + boost::json::serialize(policy_json(*request.policy));
  if (request.probe) key += fmt::format("\x1cprobe{}", *request.probe);
  key += request.final ? "\x1d"
                         "f"
                       : "\x1d";
  for (const auto& [name, type] : request.parameters) key.append(name).append(1, '\x1f').append(type).append(1, '\x1f');
  for (const auto& [name, type] : request.endpoints) key.append(1, '\x16').append(name).append(1, '\x1f').append(type);
  if (!request.variables.empty()) key += '\x19' + boost::json::serialize(constants_json(request.variables));
  if (!request.zone.empty()) key += '\x18' + request.zone;
  if (request.wide) key += '\x17';
  if (request.sail) key += '\x15';
  return key;
}

}  // namespace tarn::sql
