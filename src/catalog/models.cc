#include "catalog/models.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/names.h"
#include "catalog/tables.h"

namespace tarn::catalog {
namespace {

constexpr Millis kLifetime = 3'600'000;
constexpr std::size_t kMostTags = 50, kMostAliases = 10;

/// What the vendor says of a model that is not there; a function of that name is none either.
Error no_model(std::string_view full_name) { return {{Errc::not_found, fmt::format("RoutineOrModel '{}' does not exist.", full_name)}, {}}; }
Error no_version(std::string_view full_name, std::int64_t version) {
  return {{Errc::not_found, fmt::format("Model Version '{}' does not exist.", std::string(full_name) + " version " + std::to_string(version))}, {}};
}

template <class T>
Result<T> as_model(Result<T> r, std::string_view full_name) {
  if (!r && r.error().securable == SecurableType::FUNCTION && r.error().code == Errc::not_found) return fail(no_model(full_name));
  return r;
}

Result<void> check_tags(const std::vector<Tag>& tags) {
  for (const Tag& t : tags) {
    if (t.key.empty() || t.key.size() > 256 || t.key.find_first_of(".,-=/:") != t.key.npos)
      return fail(invalid(fmt::format("Tag key '{}' must have 1 to 256 characters, none of . , - = / :", t.key)));
    if (t.value.size() > 256) return fail(invalid(fmt::format("The value of tag '{}' exceeds the maximum length of 256 characters", t.key)));
  }
  return {};
}

Result<void> apply(std::vector<Tag>& tags, const std::vector<Tag>& add, const std::vector<std::string>& remove) {
  for (const auto& key : remove) std::erase_if(tags, [&](const Tag& t) { return t.key == key; });
  for (const auto& tag : add) {
    std::erase_if(tags, [&](const Tag& t) { return t.key == tag.key; });
    tags.push_back(tag);
  }
  if (tags.size() > kMostTags) return fail(invalid(fmt::format("At most {} tags are allowed on one securable, got {}", kMostTags, tags.size())));
  return {};
}

/// As MLflow: letters, digits, _ and -; not a version's number in disguise, not the reserved name.
Result<void> check_alias(std::string_view alias) {
  bool sound = !alias.empty() && alias.size() <= 255;
  for (const char c : alias) sound = sound && (std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-');
  if (!sound)
    return fail(
        invalid(fmt::format("Invalid model alias name: '{}'. Names may only contain alphanumerics, underscores (_), and dashes (-).", alias)));
  if (folded(alias) == "latest") return fail(invalid("'latest' alias name (case insensitive) is reserved."));
  if ((alias[0] == 'v' || alias[0] == 'V') && alias.size() > 1 && alias.find_first_not_of("0123456789", 1) == alias.npos)
    return fail(invalid(fmt::format("Version alias name '{}' is reserved.", alias)));
  return {};
}

std::map<std::string, std::string> params_of(std::string_view full_name, std::optional<std::int64_t> version = {}) {
  std::map<std::string, std::string> out{{"full_name_arg", std::string(full_name)}};
  if (version) out["version"] = std::to_string(*version);
  return out;
}

}  // namespace

ModelInfo Models::shown(const Place& place) const {
  const RoutineRecord& r = *place.routine;
  ModelInfo i{.id = r.id,
              .name = r.name,
              .catalog_name = place.catalog->info.name,
              .schema_name = place.schema->info.name,
              .full_name = place.full_name(),
              .owner = name_of(core_, r.access.owner),
              .metastore_id = r.metastore_id,
              .storage_location = r.model->storage_location,
              .comment = r.comment,
              .deployment_job_id = r.model->deployment_job_id,
              .aliases = r.model->aliases,
              .tags = r.model->tags};
  i.created_at = r.created_at, i.updated_at = r.updated_at, i.created_by = r.created_by, i.updated_by = r.updated_by;
  return i;
}

VersionInfo Models::shown(const Place& place, const VersionRecord& v) const {
  VersionInfo i{.id = v.id,
                .model_name = place.routine->name,
                .catalog_name = place.catalog->info.name,
                .schema_name = place.schema->info.name,
                .metastore_id = place.metastore.info.metastore_id,
                .source = v.source,
                .storage_location = v.storage_location,
                .version = v.version,
                .status = v.status,
                .run_id = v.run_id,
                .comment = v.comment,
                .model_id = v.logged_model_id,
                .run_workspace_id = v.run_workspace_id,
                .tags = v.tags,
                .model_version_dependencies = v.dependencies};
  for (const auto& a : place.routine->model->aliases)
    if (a.version_num == v.version) i.aliases.push_back(a);
  i.created_at = v.created_at, i.updated_at = v.updated_at, i.created_by = v.created_by, i.updated_by = v.updated_by;
  return i;
}

Result<Place> Models::located(store::ReadTxn& t, const access::Context& ctx, std::string_view full_name, std::optional<Privilege> p,
                              bool browse) const {
  TARN_TRY(place, as_model(p ? locate_for(t, ctx, SecurableType::FUNCTION, full_name, *p)
                             : locate_to_see(t, ctx, SecurableType::FUNCTION, full_name, browse),
                           full_name));
  if (!place.routine->model) return fail(no_model(full_name));
  return std::move(place);
}

Result<Place> Models::managed(store::ReadTxn& t, const access::Context& ctx, std::string_view full_name) const {
  TARN_TRY(place, as_model(locate_to_manage(t, ctx, SecurableType::FUNCTION, full_name), full_name));
  if (!place.routine->model) return fail(no_model(full_name));
  return std::move(place);
}

Result<ModelInfo> Models::create(const access::Context& ctx, const NewModel& request) {
  const auto name = checked_name(request.name, "CreateRegisteredModel", "RegisteredModelInfo.name");
  std::optional<Error> problem;
  if (!name) problem = name.error();
  if (const auto sound = check_tags(request.tags); !sound) problem = sound.error();
  std::optional<std::string> url;
  if (request.storage_location && !request.storage_location->empty()) {
    if (auto u = checked_url(*request.storage_location, "CreateRegisteredModel", "RegisteredModelInfo.storage_location"))
      url = *std::move(u);
    else
      problem = u.error();
  }
  auto made = change(
      core_, ctx, "createRegisteredModel", {{"name", request.name}, {"catalog_name", request.catalog_name}, {"schema_name", request.schema_name}},
      [&](store::WriteTxn& t) -> Result<Place> {
        TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, request.catalog_name + "." + request.schema_name, Privilege::CREATE_MODEL));
        if (problem) return fail(*problem);
        if (place.schema->info.name == kInformationSchema || place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
          return fail(Error{Errc::unsupported, fmt::format("Schema '{}' is the platform's: nothing can be created in it.", place.full_name())});
        RoutineRecord r{.id = new_uuid(),
                        .name = *name,
                        .catalog_id = place.catalog->info.id,
                        .schema_id = place.schema->info.schema_id,
                        .metastore_id = place.metastore.info.metastore_id,
                        .comment = request.comment};
        if (kRoutines.get(t, r.store_key()))
          return fail(Error{{Errc::already_exists, fmt::format("Function '{}' already exists", place.full_name() + "." + *name)}, {}});
        stamp_new(r, core_, ctx);
        r.access.owner = principal_of(ctx);
        r.model = ModelPart{.tags = request.tags, .deployment_job_id = request.deployment_job_id};
        if (url) {
          TARN_CHECK(location_for(t, ctx, place.metastore, *url, Privilege::CREATE_MANAGED_STORAGE));
          TARN_CHECK(check_free_for_data(t, ctx, place.metastore, *url, "CreateRegisteredModel"));
          r.model->storage_location = *url;
          claim(t, r.metastore_id, *url, ClaimKind::volume, r.id);
        } else {
          TARN_TRY(root, managed_root(place));
          r.model->storage_location = root + "/models/" + r.id;
        }
        if (!kRoutines.insert(t, r)) throw std::logic_error("a model slipped past its checks");
        place.routine = std::move(r);
        return std::move(place);
      });
  if (!made) return fail(made.error());
  return shown(*made);
}

Result<ModelInfo> Models::get(const access::Context& ctx, std::string_view full_name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getRegisteredModel", params_of(full_name), [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, located(t, ctx, full_name, std::nullopt, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  auto info = shown(*found);
  if (only) info.browse_only = true;
  return info;
}

Result<Page<ModelInfo>> Models::list(const access::Context& ctx, const std::optional<std::string>& catalog, const std::optional<std::string>& schema,
                                     const PageRequest& request, bool browse) {
  std::vector<Place> seen;
  auto found =
      look(core_, ctx, "listRegisteredModels", {{"catalog_name", catalog.value_or("")}, {"schema_name", schema.value_or("")}},
           [&](store::ReadTxn& t) -> Result<Page<std::string>> {
             const auto keep = [&](Place parent, const RoutineRecord& r) -> std::optional<std::string> {
               if (!r.model) return std::nullopt;
               parent.type = SecurableType::FUNCTION;
               parent.routine = r;
               if (check_see(parent.path(), subject(ctx), browse)) return std::nullopt;
               seen.push_back(std::move(parent));
               return r.id;
             };
             if (catalog && schema) {
               TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, *catalog + "." + *schema, browse));
               return page_of<RoutineRecord, std::string>(t, kRoutines, store::prefix({place.schema->info.schema_id}), request,
                                                          [&](const RoutineRecord& r) { return keep(place, r); });
             }
             TARN_TRY(metastore, current_metastore(t, ctx));
             return page_of<RoutineRecord, std::string>(t, kRoutines, "", request, [&](const RoutineRecord& r) -> std::optional<std::string> {
               if (r.metastore_id != metastore.info.metastore_id) return std::nullopt;
               auto in_catalog = kCatalogs.find(t, "id", r.catalog_id);
               auto in_schema = kSchemas.find(t, "id", r.schema_id);
               if (!in_catalog || !in_schema) return std::nullopt;
               return keep({.metastore = metastore, .catalog = std::move(in_catalog->value), .schema = std::move(in_schema->value)}, r);
             });
           });
  if (!found) return fail(found.error());
  Page<ModelInfo> out{.next = found->next};
  for (const auto& place : seen) out.items.push_back(shown(place));
  return out;
}

Result<ModelInfo> Models::update(const access::Context& ctx, std::string_view full_name, const ModelChange& request) {
  const auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateRegisteredModel", "RegisteredModelInfo.name");
  auto changed = change(core_, ctx, "updateRegisteredModel", params_of(full_name), [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, managed(t, ctx, full_name));
    if (problem) return fail(*problem);
    RoutineRecord& r = *place.routine;
    const std::string old_key = r.store_key();
    if (owner) r.access.owner = *owner;
    if (request.comment.present()) r.comment = request.comment.content;
    if (request.comment.null()) r.comment.reset();
    if (request.deployment_job_id) r.model->deployment_job_id = request.deployment_job_id;
    stamp_change(r, core_, ctx);
    if (!new_name || *new_name == r.name) {
      save(t, place);
      return std::move(place);
    }
    if (kRoutines.get(t, store::key({r.schema_id, *new_name})))
      return fail(Error{{Errc::already_exists, fmt::format("Function '{}' already exists", *new_name)}, {}});
    kRoutines.erase(t, old_key);
    r.name = *new_name;
    if (!kRoutines.insert(t, r)) throw std::logic_error("a renamed model met another");
    return std::move(place);
  });
  if (!changed) return fail(changed.error());
  return shown(*changed);
}

Result<void> Models::remove(const access::Context& ctx, std::string_view full_name) {
  return change(core_, ctx, "deleteRegisteredModel", params_of(full_name), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, managed(t, ctx, full_name));
    drop_routine(t, core_, *place.routine);
    return {};
  });
}

Result<void> Models::set_tags(const access::Context& ctx, std::string_view full_name, const std::vector<Tag>& add,
                              const std::vector<std::string>& remove) {
  return change(core_, ctx, "updateTagSecurableAssignments", params_of(full_name), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, located(t, ctx, full_name, Privilege::APPLY_TAG));
    TARN_CHECK(check_tags(add));
    TARN_CHECK(apply(place.routine->model->tags, add, remove));
    save(t, place);
    return {};
  });
}

Result<ModelAlias> Models::set_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias, std::int64_t version) {
  auto params = params_of(full_name, version);
  params["alias_arg"] = alias;
  return change(core_, ctx, "setRegisteredModelAlias", std::move(params), [&](store::WriteTxn& t) -> Result<ModelAlias> {
    TARN_TRY(place, managed(t, ctx, full_name));
    TARN_CHECK(check_alias(alias));
    if (!kVersions.get(t, store::key({place.routine->id, store::sortable(version)}))) return fail(no_version(full_name, version));
    auto& aliases = place.routine->model->aliases;
    ModelAlias made{.alias_name = std::string(alias), .id = new_uuid(), .version_num = version};
    std::erase_if(aliases, [&](const ModelAlias& a) { return folded(a.alias_name) == folded(alias); });
    if (aliases.size() >= kMostAliases)
      return fail(invalid(fmt::format("Registered model '{}' has reached the limit of {} aliases", full_name, kMostAliases)));
    aliases.push_back(made);
    save(t, place);
    return made;
  });
}

Result<void> Models::remove_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias) {
  auto params = params_of(full_name);
  params["alias_arg"] = alias;
  return change(core_, ctx, "deleteRegisteredModelAlias", std::move(params), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, managed(t, ctx, full_name));
    if (std::erase_if(place.routine->model->aliases, [&](const ModelAlias& a) { return folded(a.alias_name) == folded(alias); }) == 0)
      return fail(Error{{Errc::not_found, fmt::format("Registered model alias '{}' does not exist.", alias)}, {}});
    save(t, place);
    return {};
  });
}

Result<VersionInfo> Models::create_version(const access::Context& ctx, const NewVersion& request) {
  const auto sound = check_tags(request.tags);
  // Asked outside the transaction: the run is another room's.
  std::vector<std::string> tables;
  if (request.run_id && sources_) tables = sources_->tables_of(ctx, *request.run_id);
  std::optional<VersionRecord> record;
  auto made = change(
      core_, ctx, "createModelVersion", {{"full_name_arg", request.full_name}, {"source", request.source}, {"run_id", request.run_id.value_or("")}},
      [&](store::WriteTxn& t) -> Result<Place> {
        TARN_TRY(place, located(t, ctx, request.full_name, Privilege::CREATE_MODEL_VERSION));
        TARN_CHECK(sound);
        if (request.source.empty())
          return fail(invalid("Invalid input: RPC CreateModelVersion Field managedcatalog.ModelVersionInfo.source: must not be empty"));
        VersionRecord v{.id = new_uuid(),
                        .routine_id = place.routine->id,
                        .source = request.source,
                        .version = ++place.routine->model->last_version,
                        .run_id = request.run_id,
                        .comment = request.comment,
                        .logged_model_id = request.logged_model_id,
                        .run_workspace_id = request.run_workspace_id,
                        .tags = request.tags,
                        .dependencies = request.dependencies};
        v.storage_location = place.routine->model->storage_location + "/versions/" + v.id;
        stamp_new(v, core_, ctx);
        stamp_change(*place.routine, core_, ctx);
        save(t, place);
        if (!kVersions.insert(t, v)) throw std::logic_error("a model version slipped past its checks");
        for (const auto& table : tables) {
          const LineageEdgeRecord edge{.metastore_id = place.metastore.info.metastore_id,
                                       .id = new_uuid(),
                                       .statement_id = request.run_id.value_or(""),
                                       .entity_type = "MODEL_VERSION",
                                       .created_by = ctx.caller.name,
                                       .source_table = folded(table),
                                       .target_table = fmt::format("{}/{}", place.full_name(), v.version),
                                       .workspace_id = ctx.workspace_id,
                                       .event_time = core_.clock.now()};
          if (!kLineage.insert(t, edge)) throw std::logic_error("two lineage edges with one id");
        }
        record = v;
        return std::move(place);
      });
  if (!made) return fail(made.error());
  return shown(*made, *record);
}

Result<VersionInfo> Models::version(const access::Context& ctx, std::string_view full_name, std::int64_t version) {
  std::optional<VersionRecord> v;
  auto found = look(core_, ctx, "getModelVersion", params_of(full_name, version), [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, located(t, ctx, full_name, std::nullopt));
    auto r = kVersions.get(t, store::key({place.routine->id, store::sortable(version)}));
    if (!r) return fail(no_version(full_name, version));
    v = std::move(r->value);
    return std::move(place);
  });
  if (!found) return fail(found.error());
  return shown(*found, *v);
}

Result<VersionInfo> Models::version_by_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias) {
  std::optional<VersionRecord> v;
  auto found = look(core_, ctx, "getModelVersionByAlias", params_of(full_name), [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, located(t, ctx, full_name, std::nullopt));
    for (const auto& a : place.routine->model->aliases)
      if (folded(a.alias_name) == folded(alias))
        if (auto r = kVersions.get(t, store::key({place.routine->id, store::sortable(a.version_num)}))) v = std::move(r->value);
    if (!v) return fail(Error{{Errc::not_found, fmt::format("Registered model alias '{}' does not exist.", alias)}, {}});
    return std::move(place);
  });
  if (!found) return fail(found.error());
  return shown(*found, *v);
}

Result<Page<VersionInfo>> Models::versions(const access::Context& ctx, std::string_view full_name, const PageRequest& request) {
  std::vector<VersionRecord> all;
  auto found = look(core_, ctx, "listModelVersions", params_of(full_name), [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, located(t, ctx, full_name, std::nullopt));
    all = kVersions.scan(t, store::prefix({place.routine->id}));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  Page<VersionInfo> out;
  const std::size_t want = request.limit ? request.limit : all.size();
  for (auto v = all.rbegin(); v != all.rend(); ++v) {
    if (!request.after.empty() && v->store_key() >= request.after) continue;
    if (out.items.size() == want) {
      out.next = std::prev(v)->store_key();
      break;
    }
    out.items.push_back(shown(*found, *v));
  }
  return out;
}

Result<VersionInfo> Models::change_version(const access::Context& ctx, std::string action, std::string_view full_name, std::int64_t version,
                                           std::optional<Privilege> p,
                                           const std::function<Result<void>(store::WriteTxn&, Place&, VersionRecord&)>& body) {
  std::optional<VersionRecord> changed;
  auto done = change(core_, ctx, std::move(action), params_of(full_name, version), [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, p ? located(t, ctx, full_name, p) : managed(t, ctx, full_name));
    auto r = kVersions.get(t, store::key({place.routine->id, store::sortable(version)}));
    if (!r) return fail(no_version(full_name, version));
    TARN_CHECK(body(t, place, r->value));
    stamp_change(r->value, core_, ctx);
    if (!kVersions.update(t, r->value)) throw std::logic_error("a model version vanished inside its transaction");
    changed = std::move(r->value);
    return std::move(place);
  });
  if (!done) return fail(done.error());
  return shown(*done, *changed);
}

Result<VersionInfo> Models::update_version(const access::Context& ctx, std::string_view full_name, std::int64_t version,
                                           const std::optional<std::string>& comment) {
  return change_version(ctx, "updateModelVersion", full_name, version, std::nullopt, [&](store::WriteTxn&, Place&, VersionRecord& v) -> Result<void> {
    if (comment) v.comment = comment;
    return {};
  });
}

Result<void> Models::set_version_tags(const access::Context& ctx, std::string_view full_name, std::int64_t version, const std::vector<Tag>& add,
                                      const std::vector<std::string>& remove) {
  TARN_CHECK(change_version(ctx, "updateTagSubentityAssignments", full_name, version, Privilege::APPLY_TAG,
                            [&](store::WriteTxn&, Place&, VersionRecord& v) -> Result<void> {
                              TARN_CHECK(check_tags(add));
                              return apply(v.tags, add, remove);
                            }));
  return {};
}

Result<void> Models::remove_version(const access::Context& ctx, std::string_view full_name, std::int64_t version) {
  return change(core_, ctx, "deleteModelVersion", params_of(full_name, version), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, managed(t, ctx, full_name));
    const auto v = kVersions.get(t, store::key({place.routine->id, store::sortable(version)}));
    if (!v) return fail(no_version(full_name, version));
    drop_version(t, core_, v->value);
    std::erase_if(place.routine->model->aliases, [&](const ModelAlias& a) { return a.version_num == version; });
    save(t, place);
    return {};
  });
}

Result<VersionInfo> Models::finalize(const access::Context& ctx, std::string_view full_name, std::int64_t version) {
  // What was uploaded is read before the transaction; nobody but its maker could write it.
  TARN_TRY(pending, this->version(ctx, full_name, version));
  const auto signed_model = [&]() -> Result<void> {
    TARN_TRY(url, [&]() -> Result<objects::Url> {
      auto u = objects::Url::parse(pending.storage_location + "/MLmodel");
      if (!u) return fail(invalid(u.error().message));
      return *u;
    }());
    const auto text = core_.objects.get(url);
    if (!text)
      return fail(
          invalid(fmt::format("Model version {} of '{}' has no MLmodel file: upload the model's files before finalizing it", version, full_name)));
    // A top-level `signature:` with its inputs and outputs, as MLflow's YAML has them one level below.
    const auto at = text->starts_with("signature:") ? 0 : text->find("\nsignature:");
    std::string block;
    if (at != text->npos) {
      auto end = text->find('\n', at + 1);
      while (end != text->npos && end + 1 < text->size() && ((*text)[end + 1] == ' ' || (*text)[end + 1] == '\n')) end = text->find('\n', end + 1);
      block = text->substr(at, end == text->npos ? end : end - at);
    }
    const auto has = [&](const std::string& name) {
      const auto line = block.find("\n  " + name + ":");
      return line != block.npos && block.substr(line + name.size() + 4, 5) != " null";
    };
    if (!has("inputs") || !has("outputs"))
      return fail(
          invalid("Model passed for registration did not contain any signature metadata. All models in the Unity Catalog must be logged with a model "
                  "signature containing both input and output type specifications."));
    return {};
  }();
  auto done = change_version(ctx, "finalizeModelVersion", full_name, version, Privilege::CREATE_MODEL_VERSION,
                             [&](store::WriteTxn&, Place&, VersionRecord& v) -> Result<void> {
                               if (v.status != VersionStatus::PENDING_REGISTRATION)
                                 return fail(Error{{Errc::conflict, fmt::format("Model version {} of '{}' is {}: only a pending one can be finalized",
                                                                                version, full_name, json::name_of(v.status))},
                                                   {}});
                               TARN_CHECK(signed_model);
                               v.status = VersionStatus::READY;
                               return {};
                             });
  if (done && done->model_id && sources_) sources_->registered(ctx, *done->model_id, done->full_name(), std::to_string(version));
  return done;
}

Result<TemporaryCredentials> Models::credentials(const access::Context& ctx, std::string_view full_name, std::int64_t version,
                                                 VersionOperation operation) {
  const bool write = operation == VersionOperation::READ_WRITE_MODEL_VERSION;
  auto params = params_of(full_name, version);
  params["operation"] = json::name_of(operation);
  auto url = look(core_, ctx, "generateTemporaryModelVersionCredential", std::move(params), [&](store::ReadTxn& t) -> Result<std::string> {
    TARN_TRY(place, located(t, ctx, full_name, write ? Privilege::CREATE_MODEL_VERSION : Privilege::EXECUTE));
    const auto v = kVersions.get(t, store::key({place.routine->id, store::sortable(version)}));
    if (!v) return fail(no_version(full_name, version));
    if (write && v->value.status != VersionStatus::PENDING_REGISTRATION)
      return fail(Error{{Errc::conflict, fmt::format("Model version {} of '{}' is {}: its files can no longer be written", version, full_name,
                                                     json::name_of(v->value.status))},
                        {}});
    if (!write && v->value.status != VersionStatus::READY)
      return fail(Error{
          {Errc::conflict, fmt::format("Model version {} of '{}' is {}: it cannot be read yet", version, full_name, json::name_of(v->value.status))},
          {}});
    return v->value.storage_location;
  });
  if (!url) return fail(url.error());
  const auto c = core_.vendor.vend(
      {.prefixes = {*url + "/"}, .access = write ? objects::Access::read_write : objects::Access::read, .principal = ctx.caller.name}, kLifetime);
  if (!c)
    return fail(Error{{c.error().code == objects::Errc::denied ? Errc::permission_denied : Errc::storage_unavailable,
                       "Temporary credentials cannot be had now: " + c.error().message},
                      {}});
  return TemporaryCredentials{AwsTempCredentials{c->access_key_id, c->secret_access_key, c->session_token}, c->expires_at, *url};
}

}  // namespace tarn::catalog
