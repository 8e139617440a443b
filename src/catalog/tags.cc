#include "catalog/tags.h"

#include "catalog/names.h"

namespace tarn::catalog {
namespace {

constexpr std::size_t kMostOfOne = 50;

/// What carries the tag: a securable, or a column of one.
struct Bearer {
  Place place;
  std::string id, column, name;  // name: full, as the API says it
};

Result<SecurableType> bearer_type(std::string_view type) {
  if (type == "catalogs") return SecurableType::CATALOG;
  if (type == "schemas") return SecurableType::SCHEMA;
  if (type == "tables" || type == "columns") return SecurableType::TABLE;
  if (type == "volumes") return SecurableType::VOLUME;
  return fail(invalid(fmt::format("Field 'entity_type' must be catalogs, schemas, tables, columns or volumes; got '{}'", type)));
}

std::string id_of(const Place& p) {
  return p.table ? p.table->info.table_id : p.volume ? p.volume->info.volume_id : p.schema ? p.schema->info.schema_id : p.catalog->info.id;
}

/// `change`: with the right to tag it; else to see it.
Result<Bearer> bearer(store::ReadTxn& t, const access::Context& ctx, std::string_view type, std::string_view name, bool change) {
  TARN_TRY(kind, bearer_type(type));
  Bearer out;
  std::string securable(name);
  if (type == "columns") {
    const auto dot = name.rfind('.');
    if (dot == name.npos) return fail(invalid(fmt::format("'{}' is not a column's full name: catalog.schema.table.column", name)));
    securable = name.substr(0, dot);
    out.column = name.substr(dot + 1);
  }
  TARN_TRY(place, change ? locate_for(t, ctx, kind, securable, Privilege::APPLY_TAG) : locate_to_see(t, ctx, kind, securable, true));
  if (change && place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
    return fail(Error{Errc::unsupported, fmt::format("'{}' is the platform's: it cannot be changed.", place.full_name())});
  out.place = std::move(place);
  out.id = id_of(out.place);
  out.name = out.place.full_name();
  if (type == "columns") {
    const auto& columns = out.place.table->info.columns;
    const auto own = std::ranges::find_if(columns, [&](const ColumnInfo& c) { return folded(c.name) == folded(out.column); });
    if (own == columns.end()) return fail(Error{Errc::not_found, fmt::format("Table '{}' has no column '{}'", out.name, out.column)});
    out.column = own->name;
    out.name += "." + own->name;
  }
  return out;
}

Result<void> checked_tag(std::string_view key, const std::optional<std::string>& value) {
  if (key.empty() || key.size() > 255) return fail(invalid("A tag's key must have 1 to 255 characters"));
  if (key.find_first_of(".,-=/:") != key.npos || key.front() == ' ' || key.back() == ' ')
    return fail(invalid(fmt::format("'{}' cannot be a tag's key: . , - = / : and outer spaces are not allowed in one", key)));
  for (const char c : key)
    if (static_cast<unsigned char>(c) < 0x20) return fail(invalid("A tag's key cannot contain control characters"));
  if (value && value->size() > 1000) return fail(invalid(fmt::format("The value of tag '{}' has more than 1000 characters", key)));
  return {};
}

TagAssignment shown_tag(const TagRecord& r, std::string_view type, const std::string& name) {
  TagAssignment out{.entity_type = std::string(type), .entity_name = name, .tag_key = r.key};
  if (!r.value.empty()) out.tag_value = r.value;
  out.update_time = to_rfc3339(r.updated_at);
  out.updated_by = r.updated_by;
  return out;
}

Error no_such_tag(std::string_view key, const Bearer& b) {
  return {Errc::not_found, fmt::format("Tag assignment with tag key '{}' does not exist on '{}'", key, b.name)};
}

Result<TagRecord> put_tag(store::WriteTxn& t, const Core& core, const access::Context& ctx, const Bearer& b, std::string_view key,
                          const std::optional<std::string>& value) {
  TARN_CHECK(checked_tag(key, value));
  TagRecord r{.entity_id = b.id,
              .column = b.column,
              .key = std::string(key),
              .value = value.value_or(""),
              .updated_at = core.clock.now(),
              .updated_by = ctx.caller.name};
  if (!kTags.get(t, r.store_key()) && kTags.scan(t, store::prefix({b.id, b.column})).size() >= kMostOfOne)
    return fail(Error{Errc::limit_reached, fmt::format("'{}' has {} tags already: no more can be added", b.name, kMostOfOne)});
  (void)kTags.put(t, r);
  return r;
}

std::map<std::string, std::string> tag_params(std::string_view type, std::string_view name, std::string_view key = {}) {
  return {{"entity_type", std::string(type)}, {"entity_name", std::string(name)}, {"tag_key", std::string(key)}};
}

}  // namespace

void drop_tags(store::WriteTxn& t, std::string_view entity_id) {
  for (const auto& r : kTags.scan(t, store::prefix({entity_id}))) kTags.erase(t, r.store_key());
}

Result<TagAssignment> Tags::create(const access::Context& ctx, const TagAssignment& tag) {
  return change(
      core_, ctx, "createEntityTagAssignment", tag_params(tag.entity_type, tag.entity_name, tag.tag_key),
      [&](store::WriteTxn& t) -> Result<TagAssignment> {
        TARN_TRY(b, bearer(t, ctx, tag.entity_type, tag.entity_name, true));
        if (kTags.get(t, store::key({b.id, b.column, tag.tag_key})))
          return fail(Error{Errc::already_exists, fmt::format("Tag assignment with tag key '{}' already exists on '{}'", tag.tag_key, b.name)});
        TARN_TRY(made, put_tag(t, core_, ctx, b, tag.tag_key, tag.tag_value));
        return shown_tag(made, tag.entity_type, b.name);
      });
}

Result<TagAssignment> Tags::get(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key) {
  return look(core_, ctx, "getEntityTagAssignment", tag_params(type, name, key), [&](store::ReadTxn& t) -> Result<TagAssignment> {
    TARN_TRY(b, bearer(t, ctx, type, name, false));
    const auto found = kTags.get(t, store::key({b.id, b.column, key}));
    if (!found) return fail(no_such_tag(key, b));
    return shown_tag(found->value, type, b.name);
  });
}

Result<Page<TagAssignment>> Tags::list(const access::Context& ctx, std::string_view type, std::string_view name, const PageRequest& request) {
  return look(core_, ctx, "listEntityTagAssignments", tag_params(type, name), [&](store::ReadTxn& t) -> Result<Page<TagAssignment>> {
    TARN_TRY(b, bearer(t, ctx, type, name, false));
    return page_of<TagRecord, TagAssignment>(t, kTags, store::prefix({b.id, b.column}), request,
                                             [&](const TagRecord& r) -> std::optional<TagAssignment> { return shown_tag(r, type, b.name); });
  });
}

Result<TagAssignment> Tags::update(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key,
                                   const std::optional<std::string>& value) {
  return change(core_, ctx, "updateEntityTagAssignment", tag_params(type, name, key), [&](store::WriteTxn& t) -> Result<TagAssignment> {
    TARN_TRY(b, bearer(t, ctx, type, name, true));
    if (!kTags.get(t, store::key({b.id, b.column, key}))) return fail(no_such_tag(key, b));
    TARN_TRY(made, put_tag(t, core_, ctx, b, key, value));
    return shown_tag(made, type, b.name);
  });
}

Result<void> Tags::remove(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key) {
  return change(core_, ctx, "deleteEntityTagAssignment", tag_params(type, name, key), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(b, bearer(t, ctx, type, name, true));
    if (!kTags.erase(t, store::key({b.id, b.column, key}))) return fail(no_such_tag(key, b));
    return {};
  });
}

Result<void> Tags::set(const access::Context& ctx, std::string_view type, std::string_view name,
                       const std::map<std::string, std::optional<std::string>>& changes) {
  std::string keys;
  for (const auto& [key, value] : changes) keys += (keys.empty() ? "" : ",") + key;
  return change(core_, ctx, "setTags", tag_params(type, name, keys), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(b, bearer(t, ctx, type, name, true));
    for (const auto& [key, value] : changes) {
      if (value)
        TARN_CHECK(put_tag(t, core_, ctx, b, key, value));
      else
        kTags.erase(t, store::key({b.id, b.column, key}));
    }
    return {};
  });
}

Result<std::vector<TagRow>> Tags::all(const access::Context& ctx, std::string_view catalog) {
  return core_.store.read_as([&](store::ReadTxn& t) -> Result<std::vector<TagRow>> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::CATALOG, catalog, true));
    std::vector<TagRow> out;
    const auto add = [&](const char* type) {
      for (const auto& r : kTags.scan(t, store::prefix({id_of(place)}))) {
        const auto full = place.full_name();
        out.push_back({r.column.empty() ? type : "columns", r.column.empty() ? full : full + "." + r.column, r.key, r.value});
      }
    };
    add("catalogs");
    for (const auto& s : kSchemas.scan(t, store::prefix({place.catalog->info.id}))) {
      place.schema = s;
      if (check_see(place.path(), subject(ctx), true)) continue;
      add("schemas");
      for (const auto& r : kTables.scan(t, store::prefix({s.info.schema_id}))) {
        place.table = r;
        if (!check_see(place.path(), subject(ctx), true)) add("tables");
      }
      place.table.reset();
      for (const auto& v : kVolumes.scan(t, store::prefix({s.info.schema_id}))) {
        place.volume = v;
        if (!check_see(place.path(), subject(ctx), true)) add("volumes");
      }
      place.volume.reset();
    }
    return out;
  });
}

}  // namespace tarn::catalog
