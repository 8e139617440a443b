#include "ml/experiments.h"

#include "base/ids.h"
#include "ml/checks.h"

namespace tarn::ml {
namespace {

constexpr store::Collection<Experiment> kExperiments{"ml.experiment"};

Error missing(const std::string& id) {
  if (id == "0")
    return {Errc::not_found,
            "No experiment was found. If using the Python fluent API, you can set an active experiment under which to create runs by calling "
            "mlflow.set_experiment(\"/path/to/experiment/in/workspace\") at the start of your program."};
  return {Errc::not_found, fmt::format("Node ID {} does not exist.", id)};
}

std::string key_of(std::int64_t workspace, std::string_view id) { return store::key({store::sortable(workspace), id}); }
std::string named(std::int64_t workspace, std::string_view name) { return store::key({store::sortable(workspace), name}); }

Result<std::string> checked_path(std::string_view name) {
  if (name.starts_with("/Workspace/")) name.remove_prefix(std::string_view("/Workspace").size());
  bool sound = name.size() > 1 && name.starts_with('/') && !name.ends_with('/') && name.size() <= 500 && name.find("//") == name.npos;
  for (const char c : name) sound = sound && static_cast<unsigned char>(c) >= 0x20;
  for (const std::string_view trick : {"/../", "/./"}) sound = sound && (std::string(name) + "/").find(trick) == std::string::npos;
  if (!sound)
    return refuse(Errc::invalid, fmt::format("Got an invalid experiment name '{}'. An experiment name must be an absolute path within the Databricks "
                                             "workspace, e.g. '/Users/<some-username>/my-experiment'.",
                                             name));
  return std::string(name);
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::vector<store::IndexEntry> Experiment::store_indexes() const {
  std::vector<store::IndexEntry> out{{"name", named(workspace_id, name)}};
  if (!deleted) out.push_back({"active_name", named(workspace_id, name), true});  // a deleted one leaves its name to others
  return out;
}

Experiments::Experiments(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock)
    : store_(store), permissions_(permissions), clock_(clock) {
  access::ObjectKind kind{.type = "experiments",
                          .levels = {{std::string(kRead), "Can view the experiment and its runs"},
                                     {std::string(kEdit), "Can view, log runs to, and edit the experiment"},
                                     {std::string(kManage), "Can manage permissions of, rename and delete the experiment"}},
                          .creator_level = std::string(kManage)};
  kind.object_type = "mlflowExperiment";
  kind.missing = "Node ID {} does not exist.";
  kind.audit_service = kExperimentEvents;
  kind.find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    const auto e = find(workspace, id);
    if (!e) return std::nullopt;
    access::FoundObject out{.shown = e->name};
    if (folders_) out.parents = folders_->chain(workspace, e->folder());
    return out;
  };
  permissions_.add_kind(std::move(kind));
}

std::optional<Experiment> Experiments::find(std::int64_t workspace, const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return kExperiments.get(t, key_of(workspace, id)); });
  if (!found) return std::nullopt;
  return std::move(found->value);
}

Result<Experiment> Experiments::require(const access::Context& ctx, const std::string& id, std::string_view level) {
  auto e = find(ctx.workspace_id.value_or(0), id);
  if (!e) return fail(missing(id));
  if (!permissions_.allows(ctx, {"experiments", id}, level))
    return refuse(Errc::permission_denied,
                  fmt::format("User '{}' does not have {} permission on experiment '{}' (ID {})", ctx.caller.name, level, e->name, id));
  return *std::move(e);
}

Result<void> Experiments::check_place(const access::Context& ctx, const std::string& name) {
  const std::string parent = name.rfind('/') == 0 ? "/" : name.substr(0, name.rfind('/')), home = "/Users/" + ctx.caller.name;
  if (folders_) return folders_->may_create(ctx, parent);
  if (ctx.caller.workspace_admin || parent == home || parent.starts_with(home + "/") || parent == "/Shared" || parent.starts_with("/Shared/"))
    return {};
  return refuse(Errc::permission_denied, fmt::format("User '{}' does not have permission to create experiments in '{}'", ctx.caller.name, parent));
}

void Experiments::on_folder_removed(store::WriteTxn& t, std::int64_t workspace_id, const std::string& folder) const {
  for (auto& e : kExperiments.scan(t, store::prefix({store::sortable(workspace_id)})))
    if (!e.deleted && e.folder() == folder) {
      e.deleted = true;
      kExperiments.put(t, e);
    }
}

void Experiments::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const {
  for (const auto& e : kExperiments.scan(t, store::prefix({store::sortable(workspace_id)}))) kExperiments.erase(t, e.store_key());
}

bool Experiments::any_in(store::ReadTxn& t, std::int64_t workspace_id, const std::string& folder) const {
  for (const auto& e : kExperiments.scan(t, store::prefix({store::sortable(workspace_id)})))
    if (!e.deleted && e.folder() == folder) return true;
  return false;
}

Result<Experiment> Experiments::create(const access::Context& ctx, const std::string& name, const std::string& artifact_location,
                                       const std::vector<KeyValue>& tags) {
  Experiment e{.workspace_id = ctx.workspace_id.value_or(0), .experiment_id = std::to_string(new_numeric_id())};
  const auto checked = [&]() -> Result<void> {
    TARN_TRY(path, checked_path(name));
    e.name = path;
    if (!artifact_location.empty()) {
      if (!artifact_location.starts_with("dbfs:/") && !artifact_location.starts_with("s3://") && !artifact_location.starts_with("s3a://"))
        return refuse(Errc::invalid, fmt::format("Field 'artifact_location' must be a dbfs:/ or s3:// URI, got '{}'", artifact_location));
      if (artifact_location.starts_with(kArtifactRoot))
        return refuse(Errc::invalid, fmt::format("Field 'artifact_location' must not lie in {}: that is the workspace's own", kArtifactRoot));
    }
    for (const auto& t : tags) TARN_CHECK(check_experiment_tag(t));
    return check_place(ctx, path);
  }();
  e.artifact_location = artifact_location.empty() ? fmt::format("{}/{}", kArtifactRoot, e.experiment_id) : artifact_location;
  e.creation_time = e.last_update_time = clock_.now();
  for (const auto& t : tags) {
    std::erase_if(e.tags, [&](const KeyValue& old) { return old.key == t.key; });
    e.tags.push_back(t);
  }
  return store_.write_as(ctx.event(kExperimentEvents, "createMlflowExperiment", {{"experimentName", name}, {"experimentId", e.experiment_id}}),
                         [&](store::WriteTxn& t) -> Result<Experiment> {
                           const auto done = [&]() -> Result<void> {
                             TARN_CHECK(checked);
                             if (!kExperiments.insert(t, e))
                               return refuse(Errc::already_exists, fmt::format("Node named '{}' already exists", last_part(e.name)));
                             permissions_.on_created(t, e.workspace_id, {"experiments", e.experiment_id}, ctx.caller);
                             return {};
                           }();
                           if (done) return e;
                           t.audit().refused(done.error());
                           return fail(done.error());
                         });
}

Result<Experiment> Experiments::get(const access::Context& ctx, const std::string& id) { return require(ctx, id, kRead); }

Result<Experiment> Experiments::get_by_name(const access::Context& ctx, const std::string& name) {
  TARN_TRY(path, checked_path(name));
  const std::string key = named(ctx.workspace_id.value_or(0), path);
  auto id = store_.read_as([&](store::ReadTxn& t) -> std::optional<std::string> {
    if (auto active = kExperiments.find(t, "active_name", key)) return active->value.experiment_id;
    const auto any = kExperiments.scan_index(t, "name", key, {}, 1);
    return any.empty() ? std::nullopt : std::optional(any.front().experiment_id);
  });
  if (!id) return refuse(Errc::not_found, fmt::format("Node {} does not exist.", path));
  return require(ctx, *id, kRead);
}

namespace {

bool holds(const Experiment& e, const Condition& c) {
  if (c.entity == Entity::tag) {
    const auto t = std::ranges::find(e.tags, c.key, &KeyValue::key);
    if (c.comparator == Comparator::is_null) return t == e.tags.end();
    return t != e.tags.end() && matches(c, t->value);
  }
  if (c.key == "creation_time") return matches(c, static_cast<double>(e.creation_time));
  if (c.key == "last_update_time") return matches(c, static_cast<double>(e.last_update_time));
  return matches(c, c.key == "name" ? e.name : e.experiment_id);
}

/// Negative, zero, positive.
int compared(const Experiment& a, const Experiment& b, const std::string& key) {
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (key == "creation_time") return sign(a.creation_time, b.creation_time);
  if (key == "last_update_time") return sign(a.last_update_time, b.last_update_time);
  if (key == "name") return sign(a.name, b.name);
  return sign(a.number(), b.number());
}

}  // namespace

Result<Page<Experiment>> Experiments::search(const access::Context& ctx, const Search& s) {
  for (const OrderTerm& t : s.order)
    if (t.entity != Entity::attribute) return refuse(Errc::invalid, fmt::format("Invalid order_by entity: '{}'", t.key));
  auto found =
      store_.read_as([&](store::ReadTxn& t) { return kExperiments.scan(t, store::prefix({store::sortable(ctx.workspace_id.value_or(0))})); });
  std::erase_if(found, [&](const Experiment& e) {
    if (s.view != ViewType::ALL && e.deleted != (s.view == ViewType::DELETED_ONLY)) return true;
    return !std::ranges::all_of(s.filter, [&](const Condition& c) { return holds(e, c); }) ||
           !permissions_.allows(ctx, {"experiments", e.experiment_id}, kRead);
  });
  // As MLflow: newest first unless asked otherwise, and the id decides between equals.
  std::vector<OrderTerm> order = s.order;
  if (order.empty()) order.push_back({Entity::attribute, "creation_time", false});
  order.push_back({Entity::attribute, "experiment_id", false});
  std::ranges::sort(found, [&](const Experiment& a, const Experiment& b) {
    for (const auto& t : order)
      if (const int c = compared(a, b, t.key)) return t.ascending ? c < 0 : c > 0;
    return false;
  });
  Page<Experiment> out;
  auto begin = found.begin();
  if (!s.after.empty())
    if (const auto last = std::ranges::find(found, s.after, &Experiment::experiment_id); last != found.end()) begin = last + 1;
  for (auto i = begin; i != found.end(); ++i) {
    if (out.items.size() == s.limit) {
      out.next = out.items.back().experiment_id;
      break;
    }
    out.items.push_back(*i);
  }
  return out;
}

Result<void> Experiments::change(const access::Context& ctx, const std::string& action, std::map<std::string, std::string> params,
                                 const std::string& id, std::string_view level,
                                 const std::function<Result<void>(store::WriteTxn&, Experiment&)>& body) {
  params["experimentId"] = id;
  const auto allowed = require(ctx, id, level);
  return store_.write_as(ctx.event(kExperimentEvents, action, std::move(params)), [&](store::WriteTxn& t) {
    const auto done = [&]() -> Result<void> {
      if (!allowed) return fail(allowed.error());
      auto e = kExperiments.get(t, allowed->store_key());
      if (!e) return fail(missing(id));
      TARN_CHECK(body(t, e->value));
      e->value.last_update_time = clock_.now();
      if (!kExperiments.update(t, e->value))
        return refuse(Errc::already_exists, fmt::format("Node named '{}' already exists", last_part(e->value.name)));
      return {};
    }();
    return done;
  });
}

namespace {
Result<void> check_active(const Experiment& e) {
  if (!e.deleted) return {};
  return refuse(Errc::invalid, fmt::format("The experiment {} must be in the 'active' state. Current state is deleted.", e.experiment_id));
}
}  // namespace

Result<void> Experiments::rename(const access::Context& ctx, const std::string& id, const std::string& new_name) {
  const auto path = checked_path(new_name);
  const auto place = path ? check_place(ctx, *path) : Result<void>(fail(path.error()));
  return change(ctx, "renameMlflowExperiment", {{"newName", new_name}}, id, kManage, [&](store::WriteTxn&, Experiment& e) -> Result<void> {
    TARN_CHECK(check_active(e));
    if (path && *path == e.name) return {};
    TARN_CHECK(place);
    e.name = *path;
    return {};
  });
}

Result<void> Experiments::remove(const access::Context& ctx, const std::string& id) {
  return change(ctx, "deleteMlflowExperiment", {}, id, kManage, [&](store::WriteTxn&, Experiment& e) -> Result<void> {
    TARN_CHECK(check_active(e));
    e.deleted = true;
    return {};
  });
}

Result<void> Experiments::restore(const access::Context& ctx, const std::string& id) {
  return change(ctx, "restoreMlflowExperiment", {}, id, kManage, [&](store::WriteTxn&, Experiment& e) -> Result<void> {
    if (!e.deleted) return refuse(Errc::invalid, fmt::format("The experiment {} must be in the 'deleted' state. Current state is active.", id));
    e.deleted = false;
    return {};
  });
}

Result<void> Experiments::set_tag(const access::Context& ctx, const std::string& id, const KeyValue& tag) {
  const auto sound = check_experiment_tag(tag);
  return change(ctx, "setMlflowExperimentTag", {{"key", tag.key}}, id, kEdit, [&](store::WriteTxn&, Experiment& e) -> Result<void> {
    TARN_CHECK(sound);
    TARN_CHECK(check_active(e));
    std::erase_if(e.tags, [&](const KeyValue& old) { return old.key == tag.key; });
    e.tags.push_back(tag);
    return {};
  });
}

Result<void> Experiments::delete_tag(const access::Context& ctx, const std::string& id, const std::string& key) {
  return change(ctx, "deleteMlflowExperimentTag", {{"key", key}}, id, kEdit, [&](store::WriteTxn&, Experiment& e) -> Result<void> {
    TARN_CHECK(check_active(e));
    if (std::erase_if(e.tags, [&](const KeyValue& old) { return old.key == key; }) == 0)
      return refuse(Errc::not_found, fmt::format("No tag with name: {} in experiment with id {}", key, id));
    return {};
  });
}

}  // namespace tarn::ml
