#include "app/job_ports.h"

#include <fstream>
#include <sstream>

#include "base/json_read.h"
#include "base/sql_script.h"

namespace tarn::app {
namespace {

constexpr std::uint64_t kMostCode = 2u << 20;  // of a file that a task reads: it travels to the node in hexadecimal

/// A command's results as a task's end: its text is the log, what the runtime handed on is the output.
jobs::WorkEnd end_of(const compute::Contexts::Ended& e) {
  jobs::WorkEnd out{.ok = e.ok, .lost = e.lost};
  const auto kind = json::text_at(e.results, {"resultType"});
  json::object output;
  if (kind == "error") {
    out.error = json::text_at(e.results, {"summary"});
    out.trace = json::text_at(e.results, {"cause"});
    if (e.lost) out.error = out.trace;
  }
  // Beside a text result, what was printed has a place of its own.
  const bool text = kind == "text";
  output["logs"] = json::text_at(e.results, {text ? "data" : "printed"});
  if (const auto* cut = json::find(e.results, {"truncated"}); text && cut && cut->is_bool() && cut->as_bool()) output["logs_truncated"] = true;
  if (const auto* cells = json::find(e.results, {"cells"})) output["cells"] = *cells;
  if (const auto* exit = json::find(e.results, {"task", "exit"}); exit && exit->is_string()) output["exit"] = *exit;
  if (const auto* values = json::find(e.results, {"task", "values"}); values && values->is_object()) output["values"] = *values;
  out.output = std::move(output);
  return out;
}

Expected<compute::ClusterSpec, std::string> spec_of(const json::value& v) {
  auto spec = json::decode<compute::ClusterSpec>(v);
  if (!spec) return fail(spec.error().message());
  return *std::move(spec);
}

}  // namespace

struct JobStatements::Scripts : std::enable_shared_from_this<Scripts> {
  struct Script {
    access::Context ctx;
    std::string warehouse_id, session_id, handle, current;
    std::vector<std::string> statements;
    std::size_t next = 0;
    std::map<std::string, std::string> parameters;
    jobs::Ended ended;
    bool cancelled = false;
  };

  explicit Scripts(sql::Statements& all) : statements(all) {}

  /// Submits its next statement, whose end goes on from there. The error: it was not taken.
  Expected<void, std::string> go_on(const std::shared_ptr<Script>& script) {
    sql::StatementRequest q;
    q.statement = script->statements[script->next++];
    q.warehouse_id = script->warehouse_id;
    if (!script->session_id.empty()) q.session_id = script->session_id;
    for (const auto& [name, value] : script->parameters)
      if (q.statement.find(':' + name) != std::string::npos) q.parameters.push_back({.name = name, .value = value});
    auto submitted = statements.submit(script->ctx, q);
    if (!submitted) return fail(submitted.error().message);
    const auto s = *submitted;
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex);
      script->current = s->id;
      if (script->handle.empty()) running[script->handle = s->id] = script;
      cancelled = script->cancelled;
    }
    if (cancelled) (void)statements.cancel(script->ctx, s->id);
    statements.hand_over(s, [] {});
    s->on_done([s, script, self = shared_from_this()] { self->ended(*s, script); });
    return {};
  }

  void ended(sql::Statement& s, const std::shared_ptr<Script>& script) {
    const auto now = s.snapshot();
    const bool ok = now.state == sql::StatementState::SUCCEEDED, more = script->next < script->statements.size();
    bool cancelled = now.state == sql::StatementState::CANCELED;
    {
      const std::lock_guard lock(mutex);
      cancelled = cancelled || (more && script->cancelled);  // between two of them
    }
    const auto which = [&] {
      return script->statements.size() == 1 ? std::string() : fmt::format("Statement {} of {}: ", script->next, script->statements.size());
    };
    if (ok && more && !cancelled) {
      const auto begun = go_on(script);
      if (begun) return;
      return end(*script, {.ok = false, .error = which() + begun.error()});
    }
    end(*script, {.ok = ok && !cancelled,
                  .cancelled = cancelled,
                  .error = ok ? "" : which() + now.error_message,
                  .output = json::object{{"statement_id", s.id}, {"rows", now.rows}}});
  }

  void end(Script& script, jobs::WorkEnd how) {
    {
      const std::lock_guard lock(mutex);
      running.erase(script.handle);
    }
    if (!script.session_id.empty()) (void)statements.close_session(script.ctx, script.session_id);
    script.ended(std::move(how));
  }

  sql::Statements& statements;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Script>> running;  // by handle
};

JobStatements::JobStatements(sql::Statements& statements) : statements_(statements), scripts_(std::make_shared<Scripts>(statements)) {}

Expected<std::string, std::string> JobStatements::start(const access::Context& ctx, const std::string& warehouse_id, const std::string& statement,
                                                        const std::map<std::string, std::string>& parameters, jobs::Ended ended) {
  auto script = std::make_shared<Scripts::Script>();
  script->ctx = ctx;
  script->warehouse_id = warehouse_id;
  script->parameters = parameters;
  script->ended = std::move(ended);
  script->statements = split_script(statement);
  if (script->statements.empty()) return fail(std::string("There is no statement in it"));
  if (script->statements.size() == 1) {
    if (statement.find(';') == statement.npos) script->statements[0] = statement;  // as it was written
  } else {
    auto session = statements_.open_session(ctx, {.warehouse_id = warehouse_id, .catalog = {}, .schema = {}, .session_confs = {}});
    if (!session) return fail(session.error().message);
    script->session_id = *std::move(session);
  }
  if (auto begun = scripts_->go_on(script); !begun) {
    if (!script->session_id.empty()) (void)statements_.close_session(ctx, script->session_id);
    return fail(begun.error());
  }
  const std::lock_guard lock(scripts_->mutex);
  return script->handle;
}

void JobStatements::cancel(const access::Context& ctx, const std::string& id) {
  std::string current = id;
  {
    const std::lock_guard lock(scripts_->mutex);
    if (const auto i = scripts_->running.find(id); i != scripts_->running.end()) {
      i->second->cancelled = true;
      current = i->second->current;
    }
  }
  (void)statements_.cancel(ctx, current);
}

Expected<void, std::string> JobClusters::ensure(const access::Context& ctx, const std::string& id) {
  const auto c = clusters_.get(ctx, id);
  if (!c) return fail(c.error().message);
  if (c->active()) return {};
  if (auto started = clusters_.start(ctx, id); !started && started.error().code != compute::Errc::invalid_state) return fail(started.error().message);
  return {};
}

Expected<std::string, std::string> JobClusters::create(const access::Context& ctx, const json::value& new_cluster, const std::string& name) {
  TARN_TRY(spec, spec_of(new_cluster));
  if (!spec.cluster_name || spec.cluster_name->empty()) spec.cluster_name = name;
  auto made = clusters_.create_for_job(ctx, spec);
  if (!made) return fail((made.error().code == compute::Errc::permission_denied ? "PERMISSION_DENIED: " : "") + made.error().message);
  return made->cluster_id;
}

void JobClusters::keep_only(const std::set<std::string>& ids) {
  for (const auto& id : clusters_.job_clusters())
    if (!ids.contains(id)) clusters_.discard(id);
}

jobs::CodeWork::Cluster JobClusters::state(const std::string& id) {
  const auto c = clusters_.find(id);
  if (!c) return {.state = State::ended, .message = "Cluster " + id + " does not exist"};
  if (c->state == compute::State::RUNNING || c->state == compute::State::RESIZING) return {.state = State::running};
  if (c->state == compute::State::PENDING || c->state == compute::State::RESTARTING) return {.state = State::starting};
  return {.state = State::ended, .message = (c->termination_reason ? c->termination_reason->code + ". " : "") + c->state_message};
}

/// As the vendor does: what cannot be a cluster, or breaks its policy, is refused with the job; who may not create one learns it at the run.
Expected<void, std::string> JobClusters::check(const access::Context& ctx, const json::value& new_cluster) {
  TARN_TRY(spec, spec_of(new_cluster));
  if (auto ok = clusters_.check_for_job(ctx, spec); !ok && ok.error().code != compute::Errc::permission_denied) return fail(ok.error().message);
  return {};
}

Expected<std::string, std::string> JobClusters::start(const access::Context& ctx, const std::string& cluster_id, const std::string& code,
                                                      jobs::Ended ended, jobs::Printed printed) {
  auto handle = contexts_.run(
      ctx, cluster_id, code, [ended = std::move(ended)](compute::Contexts::Ended e) { ended(end_of(e)); }, std::move(printed));
  if (!handle) return fail(handle.error().message);
  return *handle;
}

void JobClusters::resume(const access::Context& ctx, const std::string& cluster_id, const std::string& handle, jobs::Ended ended,
                         jobs::Printed printed) {
  if (const auto now = state(cluster_id); now.state == State::ended)
    return ended({.lost = true, .error = "The cluster " + cluster_id + " ended while the task ran: " + now.message});
  contexts_.resume(
      ctx, handle, cluster_id, [ended = std::move(ended)](compute::Contexts::Ended e) { ended(end_of(e)); }, std::move(printed));
}

Expected<jobs::WorkspaceFiles::File, std::string> JobFiles::read(const access::Context& ctx, const std::string& path) {
  const auto at = workspace::parse_path(path);
  if (!at) return fail(at.error().message);
  const auto found = tree_.get(ctx, *at);
  if (!found) return fail(found.error().message);
  File out{.notebook = found->node.object_type == workspace::ObjectType::NOTEBOOK};
  if (out.notebook) out.language = json::name_of(found->node.language.value_or(workspace::Language::PYTHON));
  auto exported = tree_.export_object(ctx, *at, out.notebook ? workspace::Format::SOURCE : workspace::Format::AUTO);
  if (!exported) return fail(exported.error().message);
  if (exported->size > kMostCode || exported->content.size() > kMostCode)
    return fail(fmt::format("{} has more than {} bytes: too large for a task", path, kMostCode));
  out.content = std::move(exported->content);
  if (exported->local_file) {
    std::ifstream in(*exported->local_file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    out.content = text.str();
  }
  return out;
}

Expected<std::string, std::string> JobFiles::query(const access::Context& ctx, const std::string& id) {
  const auto q = queries_.query(ctx, id);
  if (!q) return fail(q.error().message);
  return q->fields.query_text.value_or("");
}

Expected<std::vector<compute::InitScriptText>, std::string> ClusterScripts::scripts(const compute::ClusterRecord& c) {
  std::vector<compute::InitScriptText> out;
  for (auto& [name, text] : global_.to_run(c.workspace_id)) out.push_back({.name = name, .content = text, .global = true});
  for (const auto& s : c.spec.init_scripts) {
    if (!s.workspace || !s.workspace->destination)
      return fail(std::string("Only init scripts of workspace files can run on this platform: name them as workspace.destination"));
    access::Context ctx;
    ctx.workspace_id = c.workspace_id;
    ctx.request_id = c.cluster_id;
    if (auto who = directory_.caller(c.creator_id, c.workspace_id)) ctx.caller = *std::move(who);
    auto file = files_.read(ctx, *s.workspace->destination);
    if (!file) return fail("The init script " + *s.workspace->destination + " cannot be read: " + file.error());
    out.push_back({.name = *s.workspace->destination, .content = std::move(file->content)});
  }
  return out;
}

}  // namespace tarn::app
