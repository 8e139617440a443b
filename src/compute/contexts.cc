#include "compute/contexts.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "base/log.h"

namespace tarn::compute {
namespace {

constexpr std::size_t kMostContexts = 145;  // of a cluster, the vendor's limit for attached notebooks
constexpr std::size_t kMostCode = 6u << 20;
constexpr std::size_t kMostKept = 200;  // ended commands of a context

constexpr std::size_t kMostQuestions = 1000;  // that wait, of all contexts

json::value lost_results(std::string_view why) { return json::object{{"resultType", "error"}, {"summary", "Cluster lost"}, {"cause", why}}; }

}  // namespace

Contexts::Contexts(Clusters& clusters, store::Store& store, const Clock& clock) : clusters_(clusters), store_(store), clock_(clock) {
  clusters_.run_code_with(this);
}

Result<std::string> Contexts::create(const access::Context& ctx, const std::string& cluster_id, const std::string& language) {
  if (cluster_id.empty()) return refuse(Errc::invalid, "Field 'clusterId' is required");
  if (language != "python" && language != "sql") {
    if (language == "scala" || language == "r")
      return refuse(Errc::not_enabled, "Execution contexts of language " + language + " are not available on this platform: use python or sql");
    return refuse(Errc::invalid, "Field 'language' must be one of python, r, scala, sql; got '" + language.substr(0, 40) + "'");
  }
  TARN_TRY(cluster, clusters_.attach(ctx, cluster_id));
  const auto mode = cluster.spec.data_security_mode;
  const bool isolates = mode == DataSecurityMode::USER_ISOLATION || mode == DataSecurityMode::DATA_SECURITY_MODE_STANDARD ||
                        mode == DataSecurityMode::DATA_SECURITY_MODE_AUTO || mode == DataSecurityMode::LEGACY_TABLE_ACL;
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    // Interpreters of one node share its user: a mode that promises to keep people apart is kept by letting one in at a time.
    if (isolates)
      for (const auto& [other, c] : contexts_)
        if (c.cluster_id == cluster_id && c.owner != ctx.caller.name)
          return refuse(Errc::invalid_state,
                        "Cluster " + cluster_id +
                            " isolates its users, and another one has execution contexts on it: this platform lets one user at a time "
                            "run code on such a cluster. Use a cluster of your own, or data_security_mode NONE");
    if (static_cast<std::size_t>(std::ranges::count_if(contexts_, [&](const auto& c) { return c.second.cluster_id == cluster_id; })) >= kMostContexts)
      return refuse(Errc::limit_exceeded, fmt::format("Cluster {} has {} execution contexts, its most", cluster_id, kMostContexts));
    id = std::to_string(new_numeric_id());
    contexts_[id] = {.id = id,
                     .cluster_id = cluster_id,
                     .owner = ctx.caller.name,
                     .language = language,
                     .owner_id = ctx.caller.id,
                     .workspace_id = ctx.workspace_id.value_or(0)};
  }
  store_.audit_later(ctx.event("notebook", "createContext", {{"cluster_id", cluster_id}, {"context_id", id}}));
  if (!clusters_.send(cluster_id, {{"op", "context"}, {"id", id}, {"user", ctx.caller.name}})) {
    const std::lock_guard lock(mutex_);
    contexts_.erase(id);
    return refuse(Errc::unavailable, "Cluster " + cluster_id + " cannot be reached now. Try again.");
  }
  return id;
}

Result<Contexts::OneContext*> Contexts::find(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id) {
  const auto i = contexts_.find(context_id);
  // Another's context does not exist, not even for an admin: it holds what its maker typed.
  if (i == contexts_.end() || i->second.cluster_id != cluster_id || i->second.owner != ctx.caller.name)
    return refuse(Errc::not_found, "ContextNotFound: " + context_id.substr(0, 64));
  return &i->second;
}

Result<ContextStatus> Contexts::status(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id) {
  TARN_TRY(cluster, clusters_.get(ctx, cluster_id));
  (void)cluster;
  const std::lock_guard lock(mutex_);
  TARN_TRY(c, find(ctx, cluster_id, context_id));
  return c->status;
}

Result<void> Contexts::destroy(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id) {
  TARN_TRY(cluster, clusters_.get(ctx, cluster_id));
  (void)cluster;
  {
    const std::lock_guard lock(mutex_);
    TARN_TRY(c, find(ctx, cluster_id, context_id));
    (void)c;
    contexts_.erase(context_id);
  }
  closed(context_id);
  store_.audit_later(ctx.event("notebook", "destroyContext", {{"cluster_id", cluster_id}, {"context_id", context_id}}));
  clusters_.send(cluster_id, {{"op", "destroy"}, {"id", context_id}});
  return {};
}

Result<std::string> Contexts::execute(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id,
                                      const std::string& code, const std::string& language) {
  if (code.size() > kMostCode)
    return refuse(Errc::invalid, fmt::format("Field 'command' must have at most {} bytes, got {}", kMostCode, code.size()));
  TARN_TRY(cluster, clusters_.attach(ctx, cluster_id));
  (void)cluster;
  std::string id = new_hex(16);
  bool follow = false;
  std::string text = code;
  {
    const std::lock_guard lock(mutex_);
    TARN_TRY(c, find(ctx, cluster_id, context_id));
    if (!language.empty() && language != c->language)
      return refuse(Errc::invalid, "Field 'language' must be that of the context, " + c->language + "; got '" + language.substr(0, 40) + "'");
    if (c->language == "sql") text = "%sql\n" + code;
    follow = static_cast<bool>(c->output);
    if (c->status == ContextStatus::Error) return refuse(Errc::invalid_state, "Context " + context_id + " is in state Error: create a new one");
    if (c->order.size() >= kMostKept) {
      if (!c->commands[c->order.front()].ended())
        return refuse(Errc::limit_exceeded, fmt::format("Context {} has {} commands that have not ended", context_id, kMostKept));
      clusters_.send(cluster_id, {{"op", "forget"}, {"context", context_id}, {"id", c->order.front()}});
      c->commands.erase(c->order.front());
      c->order.erase(c->order.begin());
    }
    c->commands[id] = {.id = id, .context_id = context_id, .cluster_id = cluster_id};
    c->order.push_back(id);
  }
  store_.audit_later(ctx.event("notebook", "runCommand", {{"cluster_id", cluster_id}, {"context_id", context_id}, {"command_id", id}}));
  if (!clusters_.send(cluster_id, {{"op", "execute"}, {"context", context_id}, {"id", id}, {"code", text}, {"follow", follow}})) {
    const std::lock_guard lock(mutex_);
    if (const auto i = contexts_.find(context_id); i != contexts_.end()) {
      i->second.commands.erase(id);
      std::erase(i->second.order, id);
    }
    return refuse(Errc::unavailable, "Cluster " + cluster_id + " cannot be reached now. Try again.");
  }
  return id;
}

Result<Command> Contexts::command(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id) {
  TARN_TRY(cluster, clusters_.get(ctx, cluster_id));
  (void)cluster;
  const std::lock_guard lock(mutex_);
  TARN_TRY(c, find(ctx, cluster_id, context_id));
  const auto i = c->commands.find(id);
  if (i == c->commands.end()) return refuse(Errc::not_found, "CommandNotFound: " + id.substr(0, 64));
  if (!i->second.ended()) clusters_.touched(cluster_id);
  return i->second;
}

Result<void> Contexts::cancel(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id) {
  TARN_TRY(cluster, clusters_.get(ctx, cluster_id));
  (void)cluster;
  {
    const std::lock_guard lock(mutex_);
    TARN_TRY(c, find(ctx, cluster_id, context_id));
    const auto i = c->commands.find(id);
    if (i == c->commands.end()) return refuse(Errc::not_found, "CommandNotFound: " + id.substr(0, 64));
    if (i->second.ended()) return {};
    i->second.status = CommandStatus::Cancelling;
  }
  clusters_.send(cluster_id, {{"op", "cancel"}, {"context", context_id}, {"id", id}});
  return {};
}

Result<std::string> Contexts::run(const access::Context& ctx, const std::string& cluster_id, const std::string& code,
                                  std::function<void(Ended)> ended, Output output) {
  TARN_TRY(context, create(ctx, cluster_id, "python"));
  {
    const std::lock_guard lock(mutex_);
    contexts_[context].ended = std::move(ended);
    contexts_[context].output = std::move(output);
  }
  if (auto started = execute(ctx, cluster_id, context, code); !started) {
    {
      const std::lock_guard lock(mutex_);
      contexts_.erase(context);
    }
    closed(context);
    clusters_.send(cluster_id, {{"op", "destroy"}, {"id", context}});
    return fail(started.error());
  }
  return context;
}

void Contexts::resume(const access::Context& owner, const std::string& run, const std::string& cluster_id, std::function<void(Ended)> ended,
                      Output output) {
  Ended how;
  {
    const std::lock_guard lock(mutex_);
    auto& c = contexts_.emplace(run, OneContext{.id = run, .cluster_id = cluster_id, .owner = owner.caller.name}).first->second;
    c.owner_id = owner.caller.id;
    c.workspace_id = owner.workspace_id.value_or(0);
    c.output = std::move(output);
    const auto done = std::ranges::find_if(c.commands, [](const auto& k) { return k.second.ended(); });
    if (done == c.commands.end()) {
      c.ended = std::move(ended);
      return;
    }
    const auto& k = done->second;
    how = {.ok = k.status == CommandStatus::Finished && json::text_at(k.results, {"resultType"}) != "error", .results = k.results};
  }
  stop_run(run);
  ended(std::move(how));
}

void Contexts::stop_run(const std::string& run) {
  std::string cluster;
  {
    const std::lock_guard lock(mutex_);
    const auto i = contexts_.find(run);
    if (i == contexts_.end()) return;
    cluster = i->second.cluster_id;
    contexts_.erase(i);
  }
  closed(run);
  clusters_.send(cluster, {{"op", "destroy"}, {"id", run}});
}

void Contexts::door(ContextDoor* door) {
  door_ = door;
  answering_ = std::jthread([this](std::stop_token stop) { answer(stop); });
}

void Contexts::stop() {
  if (!answering_.joinable()) return;
  answering_.request_stop();
  questions_changed_.notify_all();
  answering_.join();
}

void Contexts::closed(const std::string& context_id) { post({.context_id = context_id}); }

void Contexts::post(Question question) {
  {
    const std::lock_guard lock(questions_mutex_);
    if (!question.text.empty() && questions_.size() >= kMostQuestions) return;  // the asker's own deadline tells it
    questions_.push_back(std::move(question));
  }
  questions_changed_.notify_all();
}

void Contexts::answer(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Question q;
    {
      std::unique_lock lock(questions_mutex_);
      if (!questions_changed_.wait(lock, stop, [&] { return !questions_.empty(); })) return;
      q = std::move(questions_.front());
      questions_.pop_front();
    }
    try {
      if (q.text.empty()) {
        if (door_) door_->closed(q.context_id);
        continue;
      }
      ContextOwner owner{.context_id = q.context_id, .cluster_id = q.cluster_id};
      {
        const std::lock_guard lock(mutex_);
        const auto i = contexts_.find(q.context_id);
        if (i == contexts_.end() || i->second.cluster_id != q.cluster_id) continue;
        owner.name = i->second.owner;
        owner.principal_id = i->second.owner_id;
        owner.workspace_id = i->second.workspace_id;
      }
      json::object reply{{"op", "answer"}, {"context", q.context_id}, {"number", q.number}};
      Expected<json::object, std::string> said =
          !door_ ? fail(std::string("This platform answers no questions of code"))
          : owner.principal_id == 0
              ? fail(std::string("The control plane was restarted since this context was made, and no longer knows whose it is: create a new one"))
              : door_->ask(owner, q.text);
      if (said)
        reply["answer"] = *std::move(said);
      else
        reply["error"] = said.error();
      clusters_.send(q.cluster_id, reply);
    } catch (const std::exception& e) {
      spdlog::error("a question of code failed: {}", e.what());
      clusters_.send(q.cluster_id, {{"op", "answer"}, {"context", q.context_id}, {"number", q.number}, {"error", "The platform could not answer"}});
    }
  }
}

void Contexts::said(const std::string& cluster_id, const json::object& message) {
  const auto type = json::text_at(message, "type");
  const auto id = json::text_at(message, type == "context" ? "id" : "context");
  if (type == "ask") {
    const auto* text = message.if_contains("question");
    const auto* number = message.if_contains("number");
    if (text && text->is_object() && number && number->is_int64())
      post({.context_id = id, .cluster_id = cluster_id, .number = number->as_int64(), .text = text->as_object()});
    return;
  }
  if (type == "output") {
    Output output;
    {
      const std::lock_guard lock(mutex_);
      const auto i = contexts_.find(id);
      if (i != contexts_.end() && i->second.cluster_id == cluster_id) output = i->second.output;
    }
    const auto* at = message.if_contains("at");
    if (output && at && at->is_int64()) output(at->as_int64(), json::text_at(message, "text"));
    return;
  }
  std::function<void(Ended)> ended;
  Ended how;
  {
    const std::lock_guard lock(mutex_);
    auto i = contexts_.find(id);
    if (i == contexts_.end()) {
      // A node that dials in tells the contexts that it has: of before this process started, or ended since (then they end there too).
      const auto owner = json::text_at(message, "user");
      if (type != "context" || owner.empty() || id.empty()) return;
      i = contexts_.emplace(id, OneContext{.id = id, .cluster_id = cluster_id, .owner = owner}).first;
    }
    if (i->second.cluster_id != cluster_id) return;
    auto& c = i->second;
    if (type == "context") {
      c.status = json::enum_of<ContextStatus>(json::text_at(message, "status")).value_or(c.status);
    } else if (type == "command") {
      const auto command = json::text_at(message, "id");
      auto k = c.commands.find(command);
      if (k == c.commands.end()) {
        if (command.empty() || c.order.size() >= kMostKept) return;
        k = c.commands.emplace(command, Command{.id = command, .context_id = id, .cluster_id = cluster_id}).first;
        c.order.push_back(command);
      }
      if (k->second.ended()) return;
      const auto status = json::enum_of<CommandStatus>(json::text_at(message, "status")).value_or(CommandStatus::Error);
      if (k->second.status != CommandStatus::Cancelling || (status != CommandStatus::Queued && status != CommandStatus::Running))
        k->second.status = status;
      if (const auto* r = message.if_contains("results")) k->second.results = *r;
      if (k->second.ended() && c.ended) {
        ended = std::move(c.ended);
        const auto kind = json::text_at(k->second.results, {"resultType"});
        how = {.ok = status == CommandStatus::Finished && kind != "error", .results = k->second.results};
      }
    }
  }
  if (!ended) return;
  stop_run(id);
  ended(std::move(how));
}

int Contexts::busy(const std::string& cluster_id) {
  const std::lock_guard lock(mutex_);
  int out = 0;
  for (const auto& [id, c] : contexts_)
    if (c.cluster_id == cluster_id) out += static_cast<int>(std::ranges::count_if(c.commands, [](const auto& k) { return !k.second.ended(); }));
  return out;
}

bool Contexts::runs(const std::string& cluster_id, const std::string& context_id) {
  const std::lock_guard lock(mutex_);
  const auto i = contexts_.find(context_id);
  return i != contexts_.end() && i->second.cluster_id == cluster_id;
}

void Contexts::gone(const std::string& cluster_id) {
  std::vector<std::function<void(Ended)>> ended;
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    for (auto i = contexts_.begin(); i != contexts_.end();) {
      if (i->second.cluster_id != cluster_id) {
        ++i;
        continue;
      }
      ids.push_back(i->first);
      if (i->second.ended) ended.push_back(std::move(i->second.ended));
      i = contexts_.erase(i);
    }
  }
  for (const auto& one : ids) closed(one);
  for (auto& one : ended) one({.lost = true, .results = lost_results("The cluster " + cluster_id + " ended while the code ran")});
}

}  // namespace tarn::compute
