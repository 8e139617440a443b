#include "delta/actions.h"

#include "delta/paths.h"

namespace tarn::delta {
namespace {

using json::array;
using json::object;
using json::value;

/// Reads members of one action's object; the first problem wins.
class Reader {
 public:
  Reader(const object& o, std::string_view action) : o_(o), action_(action) {}

  const value* find(std::string_view name) const {
    const auto* v = o_.if_contains(name);
    return v && !v->is_null() ? v : nullptr;
  }
  template <class T>
  void required(std::string_view name, T& out) {
    if (!find(name))
      problem(name, "is missing");
    else
      optional(name, out);
  }
  template <class T>
  void optional(std::string_view name, T& out) {
    if (const auto* v = find(name))
      if (auto e = json::detail::decode_into(out, *v, std::string(name), {})) problem(name, e->problem);
  }
  void problem(std::string_view name, std::string_view what) {
    if (error_.empty()) error_ = fmt::format("{}.{} {}", action_, name, what);
  }
  bool ok() const { return error_.empty(); }
  Error error() const { return {Errc::corrupt, error_}; }

 private:
  const object& o_;
  std::string action_, error_;
};

void read_partitions(Reader& r, std::map<std::string, std::optional<std::string>>& out) {
  const auto* v = r.find("partitionValues");
  if (!v) return;
  if (!v->is_object()) return r.problem("partitionValues", "must be an object");
  for (const auto& [key, item] : v->get_object()) {
    if (item.is_null())
      out[key] = std::nullopt;
    else if (item.is_string())
      out[key] = std::string(item.get_string());
    else
      return r.problem("partitionValues", "must hold strings");
  }
}

object rest(const object& o, std::initializer_list<std::string_view> known) {
  object out;
  for (const auto& [key, v] : o)
    if (!v.is_null() && std::find(known.begin(), known.end(), std::string_view(key)) == known.end()) out[key] = v;
  return out;
}

void set_extra(value& out, object fields) {
  if (!fields.empty()) out = std::move(fields);
}

Result<Action> read_add(const object& o, const objects::Url& root) {
  Reader r(o, "add");
  auto add = std::make_shared<AddFile>();
  std::string uri;
  r.required("path", uri);
  r.required("size", add->size);
  r.required("modificationTime", add->modification_time);
  r.optional("dataChange", add->data_change);
  r.optional("stats", add->stats);
  read_partitions(r, add->partition_values);
  if (const auto* dv = r.find("deletionVector")) {
    if (dv->is_object())
      add->deletion_vector = *dv;
    else
      r.problem("deletionVector", "must be an object");
  }
  if (!r.ok()) return fail(r.error());
  TARN_TRY(path, decode_path(uri, root));
  add->path = std::move(path);
  if (encode_path(add->path) != uri) add->uri = std::move(uri);
  set_extra(add->extra, rest(o, {"path", "size", "modificationTime", "dataChange", "stats", "partitionValues", "deletionVector", "stats_parsed",
                                 "partitionValues_parsed"}));
  return Action(std::shared_ptr<const AddFile>(std::move(add)));
}

Result<Action> read_remove(const object& o, const objects::Url& root) {
  Reader r(o, "remove");
  auto remove = std::make_shared<RemoveFile>();
  std::string uri;
  r.required("path", uri);
  r.optional("deletionTimestamp", remove->deletion_timestamp);
  r.optional("dataChange", remove->data_change);
  if (!r.ok()) return fail(r.error());
  TARN_TRY(path, decode_path(uri, root));
  remove->path = std::move(path);
  if (encode_path(remove->path) != uri) remove->uri = std::move(uri);
  set_extra(remove->extra, rest(o, {"path", "deletionTimestamp", "dataChange"}));
  return Action(std::shared_ptr<const RemoveFile>(std::move(remove)));
}

Result<Action> read_cdc(const object& o, const objects::Url& root) {
  Reader r(o, "cdc");
  ChangeFile change;
  std::string uri;
  r.required("path", uri);
  r.optional("size", change.size);
  read_partitions(r, change.partition_values);
  if (!r.ok()) return fail(r.error());
  // It is in no snapshot: who reads changes is told that it cannot be, nobody else.
  if (auto path = decode_path(uri, root)) change.path = *std::move(path);
  return Action(CdcAction{std::move(change)});
}

Result<Action> read_metadata(const object& o) {
  Reader r(o, "metaData");
  Metadata m;
  std::string schema;
  r.required("id", m.id);
  r.optional("name", m.name);
  r.optional("description", m.description);
  r.required("schemaString", schema);
  r.optional("partitionColumns", m.partition_columns);
  r.optional("configuration", m.configuration);
  r.optional("createdTime", m.created_at);
  if (const auto* format = r.find("format"); format && format->is_object()) {
    const auto* provider = format->get_object().if_contains("provider");
    if (provider && provider->is_string() && provider->get_string() != "parquet") r.problem("format.provider", "is not 'parquet'");
  }
  if (!r.ok()) return fail(r.error());
  auto parsed = parse_schema(schema);
  if (!parsed) return fail(Error{Errc::corrupt, "metaData.schemaString: " + parsed.error().message});
  m.schema = *std::move(parsed);
  return Action(std::move(m));
}

Result<Action> read_protocol(const object& o) {
  Reader r(o, "protocol");
  Protocol p;
  r.required("minReaderVersion", p.min_reader);
  r.required("minWriterVersion", p.min_writer);
  r.optional("readerFeatures", p.reader_features);
  r.optional("writerFeatures", p.writer_features);
  if (!r.ok()) return fail(r.error());
  return Action(std::move(p));
}

Result<Action> read_txn(const object& o) {
  Reader r(o, "txn");
  TxnAction t;
  r.required("appId", t.app_id);
  r.required("version", t.transaction.version);
  Millis updated = 0;
  r.optional("lastUpdated", updated);
  if (r.find("lastUpdated")) t.transaction.last_updated = updated;
  if (!r.ok()) return fail(r.error());
  return Action(std::move(t));
}

Result<Action> read_other(std::string_view kind, const object& o) {
  Reader r(o, kind);
  Action out = InfoAction{};
  if (kind == "domainMetadata") {
    DomainAction d{{}, o, false};
    r.required("domain", d.domain);
    r.optional("removed", d.removed);
    out = std::move(d);
  } else if (kind == "sidecar") {
    SidecarAction s;
    r.required("path", s.path);
    r.optional("sizeInBytes", s.size);
    out = std::move(s);
  } else if (kind == "checkpointMetadata") {
    CheckpointMetadataAction c;
    r.required("version", c.version);
    out = c;
  } else {
    out = InfoAction{o};
  }
  if (!r.ok()) return fail(r.error());
  return out;
}

value partitions_json(const std::map<std::string, std::optional<std::string>>& values) {
  object out;
  for (const auto& [k, v] : values) out[k] = v ? value(*v) : value(nullptr);
  return out;
}

std::string line(std::string_view kind, object body) {
  object o;
  o[kind] = std::move(body);
  return boost::json::serialize(o);
}

void add_extra(object& body, const value& extra) {
  if (const auto* o = extra.if_object())
    for (const auto& [k, v] : *o)
      if (!body.contains(k)) body[k] = v;
}

}  // namespace

Result<void> parse_action(std::string_view text, const objects::Url& root, std::vector<Action>& out) {
  auto parsed = json::parse(text);
  if (!parsed) return fail(Error{Errc::corrupt, "is not JSON: '" + std::string(text.substr(0, 80)) + "'"});
  const auto* o = parsed->if_object();
  if (!o) return fail(Error{Errc::corrupt, "is not a JSON object: '" + std::string(text.substr(0, 80)) + "'"});
  for (const auto& [name, body] : *o) {
    if (body.is_null()) continue;
    const std::string_view kind = name;
    static constexpr std::string_view kinds[] = {
        "add", "remove", "metaData", "protocol", "txn", "domainMetadata", "sidecar", "checkpointMetadata", "commitInfo", "cdc"};
    if (std::find(std::begin(kinds), std::end(kinds), kind) == std::end(kinds)) continue;  // "clients must ignore such unrecognized fields"
    const auto* b = body.if_object();
    if (!b) return fail(Error{Errc::corrupt, std::string(kind) + " is not a JSON object"});
    auto action = kind == "add"        ? read_add(*b, root)
                  : kind == "remove"   ? read_remove(*b, root)
                  : kind == "metaData" ? read_metadata(*b)
                  : kind == "protocol" ? read_protocol(*b)
                  : kind == "txn"      ? read_txn(*b)
                  : kind == "cdc"      ? read_cdc(*b, root)
                                       : read_other(kind, *b);
    if (!action) return fail(std::move(action).error());
    out.push_back(*std::move(action));
  }
  return {};
}

Result<std::vector<Action>> parse_actions(std::string_view text, const objects::Url& root, std::string_view where) {
  std::vector<Action> out;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    while (!one.empty() && (one.back() == '\r' || one.back() == ' ')) one.remove_suffix(1);
    if (one.empty()) continue;
    if (auto done = parse_action(one, root, out); !done)
      return fail(Error{done.error().code, fmt::format("The log file {} is damaged: line {} {}", where, number, done.error().message)});
  }
  return out;
}

std::string print(const AddFile& add) {
  object body{{"path", add.uri.empty() ? encode_path(add.path) : add.uri},
              {"partitionValues", partitions_json(add.partition_values)},
              {"size", add.size},
              {"modificationTime", add.modification_time},
              {"dataChange", add.data_change}};
  if (!add.stats.empty()) body["stats"] = add.stats;
  if (!add.deletion_vector.is_null()) body["deletionVector"] = add.deletion_vector;
  add_extra(body, add.extra);
  return line("add", std::move(body));
}

std::string print(const RemoveFile& remove) {
  object body{{"path", remove.uri.empty() ? encode_path(remove.path) : remove.uri},
              {"deletionTimestamp", remove.deletion_timestamp},
              {"dataChange", remove.data_change}};
  add_extra(body, remove.extra);
  return line("remove", std::move(body));
}

std::string print(const Metadata& m) {
  object body{{"id", m.id}};
  if (!m.name.empty()) body["name"] = m.name;
  if (!m.description.empty()) body["description"] = m.description;
  object configuration;
  for (const auto& [k, v] : m.configuration) configuration[k] = v;
  array partitions;
  for (const auto& p : m.partition_columns) partitions.push_back(value(p));
  body["format"] = object{{"provider", "parquet"}, {"options", object{}}};
  body["schemaString"] = schema_string(m.schema);
  body["partitionColumns"] = std::move(partitions);
  body["configuration"] = std::move(configuration);
  body["createdTime"] = m.created_at;
  return line("metaData", std::move(body));
}

std::string print(const Protocol& p) {
  object body{{"minReaderVersion", p.min_reader}, {"minWriterVersion", p.min_writer}};
  auto features = [](const std::vector<std::string>& names) {
    array out;
    for (const auto& n : names) out.push_back(value(n));
    return out;
  };
  if (p.min_reader >= 3) body["readerFeatures"] = features(p.reader_features);
  if (p.min_writer >= 7) body["writerFeatures"] = features(p.writer_features);
  return line("protocol", std::move(body));
}

std::string print_txn(const std::string& app_id, const AppTransaction& t) {
  object body{{"appId", app_id}, {"version", t.version}};
  if (t.last_updated) body["lastUpdated"] = *t.last_updated;
  return line("txn", std::move(body));
}

std::string print(const ChangeFile& change) {
  return line("cdc", {{"path", encode_path(change.path)},
                      {"partitionValues", partitions_json(change.partition_values)},
                      {"size", change.size},
                      {"dataChange", false}});
}

std::string print_domain(const value& body) { return line("domainMetadata", body.get_object()); }

const value* extra_field(const value& extra, std::string_view name) {
  const auto* o = extra.if_object();
  const auto* v = o ? o->if_contains(name) : nullptr;
  return v && !v->is_null() ? v : nullptr;
}

std::string dv_id(const value& dv) {
  const auto* o = dv.if_object();
  if (!o) return {};
  std::string out;
  for (const char* key : {"storageType", "pathOrInlineDv"})
    if (const auto* v = o->if_contains(key); v && v->is_string()) out += v->get_string();
  if (const auto* offset = o->if_contains("offset"); offset && offset->is_number()) out += "@" + boost::json::serialize(*offset);
  return out;
}

namespace {
std::string key(const std::string& path, const std::string& dv) { return dv.empty() ? path : path + '\0' + dv; }
}  // namespace

std::string file_key(const AddFile& add) { return key(add.path, dv_id(add.deletion_vector)); }
std::string file_key(const RemoveFile& remove) {
  const auto* dv = extra_field(remove.extra, "deletionVector");
  return key(remove.path, dv ? dv_id(*dv) : std::string());
}

}  // namespace tarn::delta
