#include "init_scripts/scripts.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/ids.h"

namespace tarn::init_scripts {
namespace {

struct ScriptRecord : Script {
  std::int64_t workspace_id = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), script_id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ScriptRecord, (Script), (workspace_id))
constexpr store::Collection<ScriptRecord> kScripts{"init_scripts.script"};

constexpr const char* kService = "globalInitScripts";

std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }
Error missing(const std::string& id) { return {Errc::not_found, "The global init script with ID " + id.substr(0, 100) + " does not exist."}; }

std::vector<ScriptRecord> ordered(store::ReadTxn& t, std::int64_t workspace) {
  auto all = kScripts.scan(t, store::prefix({store::sortable(workspace)}));
  std::ranges::sort(all, {}, &ScriptRecord::position);
  return all;
}

/// Numbers a list anew and writes what changed its place.
void renumber(store::WriteTxn& t, std::vector<ScriptRecord>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].position == static_cast<std::int64_t>(i) && kScripts.get(t, all[i].store_key())) continue;
    all[i].position = static_cast<std::int64_t>(i);
    if (!kScripts.put(t, all[i])) throw std::logic_error("a script has no unique values to lose");
  }
}

Result<void> check(const ScriptRequest& r) {
  const auto fine = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == ' '; };
  if (r.name.empty() || r.name.size() > 100 || !std::ranges::all_of(r.name, fine))
    return refuse(Errc::invalid,
                  "Field 'name' must be 1 to 100 letters, digits, blanks, periods, dashes or underscores; got '" + r.name.substr(0, 120) + "'");
  const auto text = crypto::from_base64(r.script);
  if (!text) return refuse(Errc::invalid, "Field 'script' must be base64");
  if (text->empty()) return refuse(Errc::invalid, "Field 'script' must not be empty");
  if (text->size() > Scripts::kMostBytes)
    return refuse(Errc::too_large, fmt::format("The script has {} bytes; the maximum is {} bytes.", text->size(), Scripts::kMostBytes));
  if (r.position && *r.position < 0) return refuse(Errc::invalid, fmt::format("Field 'position' must not be negative, got {}", *r.position));
  return {};
}

void insert_at(std::vector<ScriptRecord>& all, ScriptRecord record, std::optional<std::int64_t> position) {
  const auto end = static_cast<std::int64_t>(all.size());
  all.insert(all.begin() + std::min(position.value_or(end), end), std::move(record));
}

}  // namespace

std::vector<ScriptDetails> Scripts::list(const access::Context& ctx) {
  const auto all = store_.read_as([&](store::ReadTxn& t) { return ordered(t, here(ctx)); });
  store_.audit_later(ctx.event(kService, "listGlobalInitScripts"));
  return {all.begin(), all.end()};
}

Result<Script> Scripts::get(const access::Context& ctx, const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return kScripts.get(t, store::key({store::sortable(here(ctx)), id})); });
  auto event = ctx.event(kService, "getGlobalInitScript", {{"script_id", id.substr(0, 100)}});
  if (!found) event.outcome = store::Outcome::failed, event.status = 404;
  store_.audit_later(std::move(event));
  if (!found) return fail(missing(id));
  return Script(std::move(found->value));
}

Result<std::string> Scripts::create(const access::Context& ctx, const ScriptRequest& request) {
  auto event = ctx.event(kService, "create", {{"name", request.name.substr(0, 120)}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<std::string> {
    TARN_CHECK(check(request));
    ScriptRecord s;
    s.workspace_id = here(ctx);
    s.script_id = "A" + new_hex(8);
    s.name = request.name, s.script = request.script;
    s.enabled = request.enabled.value_or(false);
    s.created_by = s.updated_by = ctx.caller.name;
    s.created_at = s.updated_at = clock_.now();
    auto all = ordered(t, here(ctx));
    const auto id = s.script_id;
    insert_at(all, std::move(s), request.position);
    renumber(t, all);
    t.audit().params["script_id"] = id;
    return id;
  });
}

Result<void> Scripts::update(const access::Context& ctx, const std::string& id, const ScriptRequest& request) {
  auto event = ctx.event(kService, "update", {{"script_id", id.substr(0, 100)}, {"name", request.name.substr(0, 120)}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    auto all = ordered(t, here(ctx));
    const auto at = std::ranges::find(all, id, &ScriptRecord::script_id);
    if (at == all.end()) {
      t.audit().status = 404;
      return fail(missing(id));
    }
    TARN_CHECK(check(request));
    ScriptRecord s = *at;
    s.name = request.name, s.script = request.script;
    s.enabled = request.enabled.value_or(s.enabled);
    s.updated_by = ctx.caller.name;
    s.updated_at = clock_.now();
    if (!kScripts.update(t, s)) throw std::logic_error("a script vanished inside its transaction");
    const auto position = request.position.value_or(s.position);
    all.erase(at);
    insert_at(all, std::move(s), position);
    renumber(t, all);
    return {};
  });
}

Result<void> Scripts::remove(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event(kService, "delete", {{"script_id", id.substr(0, 100)}}), [&](store::WriteTxn& t) -> Result<void> {
    if (!kScripts.erase(t, store::key({store::sortable(here(ctx)), id}))) {
      t.audit().status = 404;
      return fail(missing(id));
    }
    auto all = ordered(t, here(ctx));
    renumber(t, all);
    return {};
  });
}

std::vector<std::pair<std::string, std::string>> Scripts::to_run(std::int64_t workspace_id) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& s : store_.read_as([&](store::ReadTxn& t) { return ordered(t, workspace_id); }))
    if (s.enabled) out.emplace_back(s.name, crypto::from_base64(s.script).value_or(""));
  return out;
}

void Scripts::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  for (const auto& s : kScripts.scan(t, store::prefix({store::sortable(workspace)}))) kScripts.erase(t, s.store_key());
}

}  // namespace tarn::init_scripts
