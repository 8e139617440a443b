#include "app/context_door.h"

#include "base/json_read.h"

namespace tarn::app {
namespace {

constexpr Millis kRenewBefore = 15 * 60 * 1000;  // what is lent is good for at least so long

/// Whether a bucket's name fits a pattern of the stores' file, in which * stands for any text.
bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() != '*') return !name.empty() && pattern.front() == name.front() && fits(pattern.substr(1), name.substr(1));
  return fits(pattern.substr(1), name) || (!name.empty() && fits(pattern, name.substr(1)));
}

std::string bucket_of_url(const std::string& url) {
  const auto from = url.find("://");
  const auto start = from == url.npos ? 0 : from + 3;
  return url.substr(start, url.find('/', start) - start);
}

json::object by_warehouse(const std::string& why) { return {{"through", "warehouse"}, {"why", why}}; }

}  // namespace

Expected<json::object, std::string> CodeDoor::ask(const compute::ContextOwner& owner, const json::object& question) {
  access::Context ctx;
  ctx.workspace_id = owner.workspace_id;
  ctx.request_id = "context-" + owner.context_id;
  ctx.user_agent = "cluster " + owner.cluster_id;
  auto caller = parts_.directory.caller(owner.principal_id, owner.workspace_id);
  if (!caller) return fail("'" + owner.name + "' is no longer of this workspace");
  ctx.caller = *std::move(caller);
  const auto what = json::text_at(question, "what");
  if (what == "api") return api(ctx, owner);
  if (what == "table") return table(ctx, owner, question);
  if (what == "path") return path(ctx, owner, question);
  return fail("No such question: '" + what.substr(0, 40) + "'");
}

Expected<json::object, std::string> CodeDoor::api(const access::Context& ctx, const compute::ContextOwner& owner) {
  const auto ways = parts_.ways(owner);
  if (ways.workspace.empty()) return fail(std::string("The workspace cannot be reached from its clusters at the moment"));
  const auto now = parts_.clock.now();
  Lent lent, old;
  {
    const std::lock_guard lock(mutex_);
    old = lent_[owner.context_id];
  }
  lent = old;
  if (lent.token.empty() || lent.expires_at < now + kRenewBefore) {
    auto made = parts_.tokens.mint(ctx, owner.name, owner.workspace_id);
    if (!made) return fail(made.error().message);
    lent = {*std::move(made), now + identity::Tokens::kAccessTokenSeconds * 1000};
    {
      const std::lock_guard lock(mutex_);
      lent_[owner.context_id] = lent;
    }
    // The one before is still in use for a moment by what asked for it; its own life ends soon.
  }
  return json::object{{"host", ways.workspace},
                      {"token", lent.token},
                      {"expires_at", lent.expires_at},
                      {"user", owner.name},
                      {"workspace_id", owner.workspace_id},
                      {"cluster_id", owner.cluster_id},
                      {"storage", ways.storage},
                      {"region", parts_.region}};
}

void CodeDoor::closed(const std::string& context_id) {
  Lent lent;
  {
    const std::lock_guard lock(mutex_);
    const auto i = lent_.find(context_id);
    if (i == lent_.end()) return;
    lent = std::move(i->second);
    lent_.erase(i);
  }
  if (!lent.token.empty()) parts_.tokens.end(access::system_context("context-" + context_id), lent.token);
}

json::object CodeDoor::storage(const compute::ContextOwner& owner, const catalog::TemporaryCredentials& c) const {
  json::object out{{"url", c.url}, {"expires_at", c.expiration_time}, {"endpoint", parts_.ways(owner).storage}, {"region", parts_.region}};
  const auto bucket = bucket_of_url(c.url);
  for (const auto& store : parts_.remote.stores)
    if (std::ranges::any_of(store.buckets, [&](const std::string& pattern) { return fits(pattern, bucket); })) {
      out["endpoint"] = store.endpoint;
      out["region"] = store.region;
      break;
    }
  if (c.aws_temp_credentials)
    out["credentials"] = json::object{{"access_key_id", c.aws_temp_credentials->access_key_id},
                                      {"secret_access_key", c.aws_temp_credentials->secret_access_key},
                                      {"session_token", c.aws_temp_credentials->session_token}};
  return out;
}

Expected<json::object, std::string> CodeDoor::table(const access::Context& ctx, const compute::ContextOwner& owner, const json::object& question) {
  const catalog::TableName name{json::text_at(question, "catalog"), json::text_at(question, "schema"), json::text_at(question, "table")};
  const bool write = json::text_at(question, "operation") == "READ_WRITE";
  if (name.catalog == "hive_metastore") return by_warehouse("the legacy metastore is not Unity Catalog's");  // which says what became of it
  const auto info = parts_.catalog.table(ctx, name);
  if (!info) return fail(info.error().message);
  if (auto may = parts_.catalog.require(ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, name.full()); !may)
    return fail(may.error().message);
  if (info->governed()) return by_warehouse("it has a row filter or column masks: its files are never handed out");
  if (!info->storage_location) return by_warehouse("it has no files of its own");
  if (info->data_source_format != "DELTA") return by_warehouse("it is no Delta table");
  const auto vended = parts_.catalog.temporary().for_table(
      ctx, info->table_id, write ? catalog::TableOperation::READ_WRITE : catalog::TableOperation::READ, catalog::Holder::cluster);
  if (!vended) return fail(vended.error().message);
  catalog::LineageRecord lineage{.statement_id = "context-" + owner.context_id, .read_tables = {}, .written_table = {}, .entity_type = "NOTEBOOK"};
  if (write) {
    lineage.written_table = name.full();
    // What the write reads, as the code says it: only what its owner may read becomes an edge.
    if (const auto* sources = question.if_contains("sources"); sources && sources->is_array())
      for (const auto& s : sources->as_array())
        if (s.is_string() && lineage.read_tables.size() < 100 &&
            parts_.catalog.require(ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, std::string(s.as_string())))
          lineage.read_tables.emplace_back(s.as_string());
  } else {
    lineage.read_tables.push_back(name.full());
  }
  parts_.catalog.record_lineage(ctx, lineage);
  auto out = storage(owner, *vended);
  out["through"] = "files";
  out["full_name"] = info->full_name;
  return out;
}

Expected<json::object, std::string> CodeDoor::path(const access::Context& ctx, const compute::ContextOwner& owner, const json::object& question) {
  const auto* write = question.if_contains("write");
  const auto vended = parts_.catalog.temporary().for_path(
      ctx, json::text_at(question, "url"),
      write && write->is_bool() && write->as_bool() ? catalog::PathOperation::PATH_READ_WRITE : catalog::PathOperation::PATH_READ, false,
      catalog::Holder::cluster);
  if (!vended) return fail(vended.error().message);
  return storage(owner, *vended);
}

}  // namespace tarn::app
