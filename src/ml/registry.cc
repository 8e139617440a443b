#include "ml/registry.h"

#include "base/ids.h"
#include "ml/checks.h"

namespace tarn::ml {
namespace {

constexpr store::Collection<RegisteredModel> kModels{"ml.registered_model"};
constexpr store::Collection<ModelVersion> kVersions{"ml.model_version"};
constexpr const char *kService = "modelRegistry", *kType = "registered-models";
constexpr std::string_view kStaging = "CAN_MANAGE_STAGING_VERSIONS", kProduction = "CAN_MANAGE_PRODUCTION_VERSIONS";

std::string key_of(const access::Context& ctx, std::string_view name) { return store::key({store::sortable(ctx.workspace_id.value_or(0)), name}); }
Error no_model(std::string_view name) { return {Errc::not_found, fmt::format("Registered Model with name={} not found", name)}; }
Error no_version(std::string_view name, std::int64_t version) {
  return {Errc::not_found, fmt::format("Model Version (name={}, version={}) not found", name, version)};
}

Result<void> check_model_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || name.find_first_of("/:.") != name.npos ||
      std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return refuse(Errc::invalid, fmt::format("Invalid model name: '{}'. A name has 1 to 200 characters, none of / : .", name));
  return {};
}

/// Stages in any case, as clients write them.
Result<Stage> stage_of(std::string_view text) {
  for (const Stage s : {Stage::None, Stage::Staging, Stage::Production, Stage::Archived}) {
    const auto name = json::name_of(s);
    if (name.size() == text.size() &&
        std::equal(name.begin(), name.end(), text.begin(), [](char a, char b) { return std::tolower(a) == std::tolower(b); }))
      return s;
  }
  return refuse(Errc::invalid, fmt::format("Invalid Model Version stage: {}. Value must be one of None, Staging, Production, Archived.", text));
}

std::string_view level_for(Stage s) { return s == Stage::Production ? kProduction : kStaging; }

Result<void> check_tags(const std::vector<KeyValue>& tags) {
  for (const auto& t : tags) {
    TARN_CHECK(check_name(t.key, "key"));
    if (t.value.size() > 5000) return refuse(Errc::invalid, "'value' exceeds the maximum length of 5000 characters");
  }
  return {};
}

void apply(std::vector<KeyValue>& tags, const std::string& key, const std::optional<std::string>& value) {
  std::erase_if(tags, [&](const KeyValue& t) { return t.key == key; });
  if (value) tags.push_back({key, *value});
}

}  // namespace

Registry::Registry(store::Store& store, access::ObjectPermissions& permissions, Runs& runs, const Clock& clock)
    : store_(store), permissions_(permissions), runs_(runs), clock_(clock) {
  access::ObjectKind kind{
      .type = kType,
      .levels = {{std::string(kRead), "Can view the details of the registered model and its model versions, and use the model versions."},
                 {std::string(kEdit),
                  "Can view and edit the details of a registered model and its model versions (except stage changes), "
                  "and add new model versions."},
                 {std::string(kStaging),
                  "Can view and edit the details of a registered model and its model versions, add new model "
                  "versions, and manage stage transitions between non-Production stages."},
                 {std::string(kProduction),
                  "Can view and edit the details of a registered model and its model versions, add new model "
                  "versions, and manage stage transitions between any stages."},
                 {std::string(kManage),
                  "Can manage permissions on, view all details of, and perform all actions on the registered model "
                  "and its model versions."}},
      .creator_level = std::string(kManage)};
  kind.object_type = "registered-model";
  kind.roots = {"root"};
  kind.audit_service = kService;
  kind.find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    const auto m = store_.read_as([&](store::ReadTxn& t) { return kModels.find(t, "id", id); });
    if (!m || m->value.workspace_id != workspace) return std::nullopt;
    return access::FoundObject{.parents = {{kType, "root"}}, .shown = m->value.name};
  };
  permissions_.add_kind(std::move(kind));
}

Result<RegisteredModel> Registry::require(const access::Context& ctx, const std::string& name, std::string_view level) {
  auto m = store_.read_as([&](store::ReadTxn& t) { return kModels.get(t, key_of(ctx, name)); });
  if (!m) return fail(no_model(name));
  if (!permissions_.allows(ctx, {kType, m->value.id}, level))
    return refuse(Errc::permission_denied,
                  fmt::format("User '{}' does not have {} permission on registered model '{}'", ctx.caller.name, level, name));
  return std::move(m->value);
}

ModelWithVersions Registry::whole(store::ReadTxn& t, RegisteredModel model) {
  ModelWithVersions out;
  std::map<Stage, ModelVersion> latest;
  for (auto& v : kVersions.scan(t, store::prefix({model.id}))) latest[v.current_stage] = std::move(v);  // in order of version
  for (auto& [stage, v] : latest) out.latest.push_back(std::move(v));
  out.model = std::move(model);
  return out;
}

void Registry::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const {
  for (const auto& m : kModels.scan(t, store::prefix({store::sortable(workspace_id)}))) {
    for (const auto& v : kVersions.scan(t, store::prefix({m.id}))) kVersions.erase(t, v.store_key());
    kModels.erase(t, m.store_key());
  }
}

Result<ModelWithVersions> Registry::create(const access::Context& ctx, const std::string& name, const std::optional<std::string>& description,
                                           const std::vector<KeyValue>& tags) {
  const auto sound = [&]() -> Result<void> {
    TARN_CHECK(check_model_name(name));
    return check_tags(tags);
  }();
  RegisteredModel m{
      .workspace_id = ctx.workspace_id.value_or(0), .id = new_hex(16), .name = name, .user_id = ctx.caller.name, .description = description};
  m.creation_timestamp = m.last_updated_timestamp = clock_.now();
  for (const auto& t : tags) apply(m.tags, t.key, t.value);
  auto made = store_.write_as(ctx.event(kService, "createRegisteredModel", {{"name", name}}), [&](store::WriteTxn& t) -> Result<void> {
    const auto done = [&]() -> Result<void> {
      TARN_CHECK(sound);
      if (!kModels.insert(t, m)) return refuse(Errc::already_exists, fmt::format("Registered Model (name={}) already exists.", name));
      permissions_.on_created(t, m.workspace_id, {kType, m.id}, ctx.caller);
      return {};
    }();
    return done;
  });
  if (!made) return fail(made.error());
  return get(ctx, name);
}

Result<ModelWithVersions> Registry::get(const access::Context& ctx, const std::string& name) {
  TARN_TRY(m, require(ctx, name, kRead));
  auto out = store_.read_as([&](store::ReadTxn& t) { return whole(t, m); });
  out.permission_level = permissions_.level_of(ctx, {kType, m.id});
  return out;
}

Result<Page<ModelWithVersions>> Registry::search(const access::Context& ctx, const std::string& filter, const std::vector<std::string>& order_by,
                                                 std::size_t limit, const std::string& after) {
  TARN_TRY(conditions, parse_filter(filter, registered_model_grammar()));
  std::vector<OrderTerm> order;
  for (const auto& o : order_by) {
    TARN_TRY(term, parse_order(o, registered_model_grammar()));
    if (term.entity != Entity::attribute) return refuse(Errc::invalid, fmt::format("Invalid order by key '{}' specified.", o));
    order.push_back(std::move(term));
  }
  auto all = store_.read_as([&](store::ReadTxn& t) { return kModels.scan(t, store::prefix({store::sortable(ctx.workspace_id.value_or(0))})); });
  std::erase_if(all, [&](const RegisteredModel& m) {
    const bool held = std::ranges::all_of(conditions, [&](const Condition& c) {
      if (c.entity == Entity::tag) {
        const auto t = std::ranges::find(m.tags, c.key, &KeyValue::key);
        if (c.comparator == Comparator::is_null) return t == m.tags.end();
        return t != m.tags.end() && matches(c, t->value);
      }
      if (c.key == "name") return matches(c, m.name);
      return matches(c, static_cast<double>(c.key == "timestamp" ? m.creation_timestamp : m.last_updated_timestamp));
    });
    return !held || !permissions_.allows(ctx, {kType, m.id}, kRead);
  });
  std::ranges::stable_sort(all, [&](const RegisteredModel& a, const RegisteredModel& b) {
    for (const auto& o : order) {
      const auto less = [&](const RegisteredModel& x, const RegisteredModel& y) {
        if (o.key == "name") return x.name < y.name;
        if (o.key == "timestamp") return x.creation_timestamp < y.creation_timestamp;
        return x.last_updated_timestamp < y.last_updated_timestamp;
      };
      if (less(a, b)) return o.ascending;
      if (less(b, a)) return !o.ascending;
    }
    return a.name < b.name;
  });
  Page<ModelWithVersions> out;
  auto begin = all.begin();
  if (!after.empty())
    if (const auto last = std::ranges::find(all, after, &RegisteredModel::name); last != all.end()) begin = last + 1;
  store_.read_as([&](store::ReadTxn& t) {
    for (auto i = begin; i != all.end(); ++i) {
      if (out.items.size() == limit) {
        out.next = out.items.back().model.name;
        break;
      }
      out.items.push_back(whole(t, *i));
    }
    return true;
  });
  return out;
}

Result<void> Registry::change(const access::Context& ctx, const std::string& action, const std::string& name, std::string_view level,
                              const std::function<Result<void>(store::WriteTxn&, RegisteredModel&)>& body) {
  const auto allowed = require(ctx, name, level);
  return store_.write_as(ctx.event(kService, action, {{"name", name}}), [&](store::WriteTxn& t) {
    const auto done = [&]() -> Result<void> {
      if (!allowed) return fail(allowed.error());
      auto m = kModels.get(t, allowed->store_key());
      if (!m) return fail(no_model(name));
      m->value.last_updated_timestamp = clock_.now();
      return body(t, m->value);
    }();
    return done;
  });
}

Result<ModelWithVersions> Registry::update(const access::Context& ctx, const std::string& name, const std::optional<std::string>& description) {
  TARN_CHECK(change(ctx, "updateRegisteredModel", name, kEdit, [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
    m.description = description;
    kModels.put(t, m);
    return {};
  }));
  return get(ctx, name);
}

Result<ModelWithVersions> Registry::rename(const access::Context& ctx, const std::string& name, const std::string& new_name) {
  const auto sound = check_model_name(new_name);
  TARN_CHECK(change(ctx, "renameRegisteredModel", name, kManage, [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
    TARN_CHECK(sound);
    if (new_name == name) return {};
    kModels.erase(t, m.store_key());
    m.name = new_name;
    if (!kModels.insert(t, m)) return refuse(Errc::already_exists, fmt::format("Registered Model (name={}) already exists.", new_name));
    for (auto& v : kVersions.scan(t, store::prefix({m.id}))) {
      v.name = new_name;
      kVersions.put(t, v);
    }
    return {};
  }));
  return get(ctx, new_name);
}

Result<void> Registry::remove(const access::Context& ctx, const std::string& name) {
  return change(ctx, "deleteRegisteredModel", name, kManage, [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
    const auto versions = kVersions.scan(t, store::prefix({m.id}));
    for (const auto& v : versions)
      if (v.current_stage == Stage::Staging || v.current_stage == Stage::Production)
        return refuse(Errc::invalid,
                      fmt::format("Registered model '{}' has version {} in stage {}: move it to None or Archived before the model is deleted", name,
                                  v.version, json::name_of(v.current_stage)));
    for (const auto& v : versions) kVersions.erase(t, v.store_key());
    kModels.erase(t, m.store_key());
    permissions_.on_deleted(t, m.workspace_id, {kType, m.id});
    return {};
  });
}

Result<void> Registry::set_tag(const access::Context& ctx, const std::string& name, const std::string& key, const std::optional<std::string>& value) {
  const auto sound = check_tags({{key, value.value_or("")}});
  return change(ctx, value ? "setRegisteredModelTag" : "deleteRegisteredModelTag", name, kEdit,
                [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
                  TARN_CHECK(sound);
                  apply(m.tags, key, value);
                  kModels.put(t, m);
                  return {};
                });
}

Result<ModelVersion> Registry::create_version(const access::Context& ctx, const NewVersion& n) {
  const auto sound = [&]() -> Result<void> {
    if (n.source.empty()) return refuse(Errc::invalid, "Missing value for required parameter 'source'.");
    TARN_CHECK(check_tags(n.tags));
    if (n.run_id && !n.run_id->empty()) TARN_CHECK(runs_.require(ctx, *n.run_id, kRead));
    return {};
  }();
  ModelVersion v{.name = n.name,
                 .source = n.source,
                 .user_id = ctx.caller.name,
                 .description = n.description,
                 .run_id = n.run_id,
                 .run_link = n.run_link,
                 .logged_model_id = n.logged_model_id};
  v.creation_timestamp = v.last_updated_timestamp = clock_.now();
  for (const auto& t : n.tags) apply(v.tags, t.key, t.value);
  TARN_CHECK(change(ctx, "createModelVersion", n.name, kEdit, [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
    TARN_CHECK(sound);
    v.model_id = m.id;
    v.version = ++m.last_version;
    kModels.put(t, m);
    if (!kVersions.insert(t, v)) throw std::logic_error("a version number was used twice");
    return {};
  }));
  return v;
}

Result<ModelVersion> Registry::version(const access::Context& ctx, const std::string& name, std::int64_t version) {
  TARN_TRY(m, require(ctx, name, kRead));
  auto v = store_.read_as([&](store::ReadTxn& t) { return kVersions.get(t, store::key({m.id, store::sortable(version)})); });
  if (!v) return fail(no_version(name, version));
  return std::move(v->value);
}

Result<Page<ModelVersion>> Registry::search_versions(const access::Context& ctx, const std::string& filter, std::size_t limit,
                                                     const std::string& after) {
  TARN_TRY(conditions, parse_filter(filter, model_version_grammar()));
  std::vector<ModelVersion> all;
  store_.read_as([&](store::ReadTxn& t) {
    for (const auto& m : kModels.scan(t, store::prefix({store::sortable(ctx.workspace_id.value_or(0))}))) {
      const bool named =
          std::ranges::all_of(conditions, [&](const Condition& c) { return c.entity != Entity::attribute || c.key != "name" || matches(c, m.name); });
      if (!named) continue;
      for (auto& v : kVersions.scan(t, store::prefix({m.id}))) all.push_back(std::move(v));
    }
    return true;
  });
  std::map<std::string, bool> readable;
  std::erase_if(all, [&](const ModelVersion& v) {
    const bool held = std::ranges::all_of(conditions, [&](const Condition& c) {
      if (c.entity == Entity::tag) {
        const auto t = std::ranges::find(v.tags, c.key, &KeyValue::key);
        if (c.comparator == Comparator::is_null) return t == v.tags.end();
        return t != v.tags.end() && matches(c, t->value);
      }
      if (c.key == "name") return true;
      if (c.key == "run_id") return v.run_id && matches(c, *v.run_id);
      if (c.key == "source_path") return matches(c, v.source);
      if (c.key == "version_number") return matches(c, static_cast<double>(v.version));
      return matches(c, static_cast<double>(c.key == "creation_timestamp" ? v.creation_timestamp : v.last_updated_timestamp));
    });
    if (!held) return true;
    const auto known = readable.find(v.model_id);
    const bool may = known != readable.end() ? known->second : (readable[v.model_id] = permissions_.allows(ctx, {kType, v.model_id}, kRead));
    return !may;
  });
  std::ranges::sort(all, [](const ModelVersion& a, const ModelVersion& b) {
    return std::tuple(-a.last_updated_timestamp, a.name, -a.version) < std::tuple(-b.last_updated_timestamp, b.name, -b.version);
  });
  Page<ModelVersion> out;
  auto begin = all.begin();
  if (!after.empty())
    if (const auto last = std::ranges::find_if(all, [&](const ModelVersion& v) { return v.store_key() == after; }); last != all.end())
      begin = last + 1;
  for (auto i = begin; i != all.end(); ++i) {
    if (out.items.size() == limit) {
      out.next = out.items.back().store_key();
      break;
    }
    out.items.push_back(*i);
  }
  return out;
}

Result<std::vector<ModelVersion>> Registry::latest_versions(const access::Context& ctx, const std::string& name,
                                                            const std::vector<std::string>& stages) {
  std::set<Stage> wanted;
  for (const auto& s : stages) {
    TARN_TRY(stage, stage_of(s));
    wanted.insert(stage);
  }
  TARN_TRY(m, get(ctx, name));
  std::vector<ModelVersion> out;
  for (auto& v : m.latest)
    if (wanted.empty() || wanted.contains(v.current_stage)) out.push_back(std::move(v));
  return out;
}

Result<ModelVersion> Registry::change_version(const access::Context& ctx, const std::string& action, const std::string& name, std::int64_t version,
                                              std::string_view level,
                                              const std::function<Result<void>(store::WriteTxn&, RegisteredModel&, ModelVersion&)>& body) {
  std::optional<ModelVersion> out;
  TARN_CHECK(change(ctx, action, name, level, [&](store::WriteTxn& t, RegisteredModel& m) -> Result<void> {
    auto v = kVersions.get(t, store::key({m.id, store::sortable(version)}));
    if (!v) return fail(no_version(name, version));
    v->value.last_updated_timestamp = clock_.now();
    TARN_CHECK(body(t, m, v->value));
    if (kVersions.get(t, v->value.store_key())) kVersions.put(t, v->value);
    kModels.put(t, m);
    out = std::move(v->value);
    return {};
  }));
  return *std::move(out);
}

Result<ModelVersion> Registry::update_version(const access::Context& ctx, const std::string& name, std::int64_t version,
                                              const std::optional<std::string>& description) {
  return change_version(ctx, "updateModelVersion", name, version, kEdit, [&](store::WriteTxn&, RegisteredModel&, ModelVersion& v) -> Result<void> {
    v.description = description;
    return {};
  });
}

Result<void> Registry::remove_version(const access::Context& ctx, const std::string& name, std::int64_t version) {
  TARN_CHECK(
      change_version(ctx, "deleteModelVersion", name, version, kManage, [&](store::WriteTxn& t, RegisteredModel&, ModelVersion& v) -> Result<void> {
        if (v.current_stage == Stage::Staging || v.current_stage == Stage::Production)
          return refuse(Errc::invalid, fmt::format("Version {} of '{}' is in stage {}: move it to None or Archived before it is deleted", version,
                                                   name, json::name_of(v.current_stage)));
        kVersions.erase(t, v.store_key());
        return {};
      }));
  return {};
}

Result<void> Registry::set_version_tag(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& key,
                                       const std::optional<std::string>& value) {
  const auto sound = check_tags({{key, value.value_or("")}});
  TARN_CHECK(change_version(ctx, value ? "setModelVersionTag" : "deleteModelVersionTag", name, version, kEdit,
                            [&](store::WriteTxn&, RegisteredModel&, ModelVersion& v) -> Result<void> {
                              TARN_CHECK(sound);
                              apply(v.tags, key, value);
                              return {};
                            }));
  return {};
}

void Registry::move(store::WriteTxn& t, const RegisteredModel& model, ModelVersion& v, Stage to, bool archive) {
  if (archive && (to == Stage::Staging || to == Stage::Production))
    for (auto& other : kVersions.scan(t, store::prefix({model.id})))
      if (other.version != v.version && other.current_stage == to) {
        other.current_stage = Stage::Archived;
        other.last_updated_timestamp = clock_.now();
        kVersions.put(t, other);
      }
  v.current_stage = to;
  std::erase_if(v.requests, [&](const TransitionRequest& r) { return r.to_stage == to; });
}

Result<ModelVersion> Registry::transition(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                                          bool archive) {
  TARN_TRY(to, stage_of(stage));
  if (archive && to != Stage::Staging && to != Stage::Production)
    return refuse(Errc::invalid,
                  fmt::format("Invalid value for archive_existing_versions: it goes with Staging or Production, not {}", json::name_of(to)));
  TARN_TRY(before, this->version(ctx, name, version));
  const auto level = before.current_stage == Stage::Production ? kProduction : level_for(to);
  return change_version(ctx, "transitionModelVersionStage", name, version, level,
                        [&](store::WriteTxn& t, RegisteredModel& m, ModelVersion& v) -> Result<void> {
                          move(t, m, v, to, archive);
                          return {};
                        });
}

Result<TransitionRequest> Registry::request(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                                            const std::optional<std::string>& comment) {
  TARN_TRY(to, stage_of(stage));
  const TransitionRequest made{.id = new_hex(16), .user_id = ctx.caller.name, .to_stage = to, .comment = comment, .creation_timestamp = clock_.now()};
  TARN_CHECK(
      change_version(ctx, "createTransitionRequest", name, version, kRead, [&](store::WriteTxn&, RegisteredModel&, ModelVersion& v) -> Result<void> {
        for (const auto& r : v.requests)
          if (r.to_stage == to && r.user_id == ctx.caller.name)
            return refuse(Errc::already_exists,
                          fmt::format("A transition request of '{}' to stage {} exists already", ctx.caller.name, json::name_of(to)));
        v.requests.push_back(made);
        return {};
      }));
  return made;
}

Result<std::vector<TransitionRequest>> Registry::requests(const access::Context& ctx, const std::string& name, std::int64_t version) {
  TARN_TRY(v, this->version(ctx, name, version));
  return std::move(v.requests);
}

Result<ModelVersion> Registry::decide(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                                      bool approve, bool archive) {
  TARN_TRY(to, stage_of(stage));
  TARN_TRY(before, this->version(ctx, name, version));
  const auto level = before.current_stage == Stage::Production ? kProduction : level_for(to);
  return change_version(ctx, approve ? "approveTransitionRequest" : "rejectTransitionRequest", name, version, level,
                        [&](store::WriteTxn& t, RegisteredModel& m, ModelVersion& v) -> Result<void> {
                          if (std::erase_if(v.requests, [&](const TransitionRequest& r) { return r.to_stage == to; }) == 0)
                            return refuse(Errc::not_found, fmt::format("There is no transition request for stage {}", json::name_of(to)));
                          if (approve) move(t, m, v, to, archive);
                          return {};
                        });
}

Result<void> Registry::withdraw(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                                const std::string& creator) {
  TARN_TRY(to, stage_of(stage));
  if (creator != ctx.caller.name) return refuse(Errc::permission_denied, "A transition request can be deleted by who made it only");
  TARN_CHECK(
      change_version(ctx, "deleteTransitionRequest", name, version, kRead, [&](store::WriteTxn&, RegisteredModel&, ModelVersion& v) -> Result<void> {
        if (std::erase_if(v.requests, [&](const TransitionRequest& r) { return r.to_stage == to && r.user_id == creator; }) == 0)
          return refuse(Errc::not_found, fmt::format("There is no transition request of '{}' for stage {}", creator, json::name_of(to)));
        return {};
      }));
  return {};
}

}  // namespace tarn::ml
