#include "review/webhook.h"

#include "api/api.h"
#include "base/crypto.h"
#include "base/json_read.h"
#include "review/forge_http.h"

namespace tarn::review {
namespace {

std::string header(const Headers& headers, const char* name) {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool is_commit(std::string_view text) { return (text.size() == 40 || text.size() == 64) && crypto::from_hex(text).has_value(); }

Expected<Event, std::string> numbered(Event e, const json::value& v, std::initializer_list<std::string_view> path) {
  e.number = number_at(v, path);
  if (e.number > 0) return e;
  std::string name;
  for (const auto part : path) name += (name.empty() ? "" : ".") + std::string(part);
  return fail("Field '" + name + "' must be a positive number");
}

std::string branch_of(std::string_view ref) { return ref.starts_with("refs/heads/") ? std::string(ref.substr(11)) : std::string(); }

Expected<Event, std::string> gitea_event(const Headers& headers, const json::value& v, Event e) {
  const auto name = header(headers, "x-gitea-event"), type = header(headers, "x-gitea-event-type"), action = json::text_at(v, {"action"});
  if (name == "push") {
    e.kind = EventKind::push;
    e.branch = branch_of(json::text_at(v, {"ref"}));
    if (e.branch.empty()) e.kind = EventKind::none;  // a tag
    return e;
  }
  if (name == "issue_comment" || name == "pull_request_comment") {
    if (action != "created" || !(flag_at(v, {"is_pull"}) || type == "pull_request_comment" || json::find(v, {"pull_request"}))) return e;
    e.kind = EventKind::comment;
    e.comment_id = number_at(v, {"comment", "id"});
    if (e.comment_id <= 0) return fail(std::string("Field 'comment.id' must be a positive number"));
    if (number_at(v, {"issue", "number"}) > 0) return numbered(std::move(e), v, {"issue", "number"});
    return numbered(std::move(e), v, {"pull_request", "number"});
  }
  if (name == "pull_request_approved") {
    e.kind = EventKind::approval;
    e.user = json::text_at(v, {"sender", "login"});
    e.head = json::text_at(v, {"pull_request", "head", "sha"});
    return numbered(std::move(e), v, {"number"});
  }
  if (name == "pull_request" && (action == "opened" || action == "reopened" || action == "synchronized" || action == "edited")) {
    e.kind = EventKind::opened;
    return numbered(std::move(e), v, {"number"});
  }
  if (name == "pull_request" && action == "closed") {
    e.kind = flag_at(v, {"pull_request", "merged"}) ? EventKind::merged : EventKind::closed;
    return numbered(std::move(e), v, {"number"});
  }
  return e;
}

Expected<Event, std::string> gitlab_event(const json::value& v, Event e) {
  const auto kind = json::text_at(v, {"object_kind"}), action = json::text_at(v, {"object_attributes", "action"});
  if (kind == "push") {
    e.kind = EventKind::push;
    e.branch = branch_of(json::text_at(v, {"ref"}));
    if (e.branch.empty()) e.kind = EventKind::none;
    return e;
  }
  if (kind == "note") {
    if (json::text_at(v, {"object_attributes", "noteable_type"}) != "MergeRequest" || flag_at(v, {"object_attributes", "system"})) return e;
    if (!action.empty() && action != "create") return e;  // an edited note is no new order
    e.kind = EventKind::comment;
    e.comment_id = number_at(v, {"object_attributes", "id"});
    if (e.comment_id <= 0) return fail(std::string("Field 'object_attributes.id' must be a positive number"));
    return numbered(std::move(e), v, {"merge_request", "iid"});
  }
  if (kind != "merge_request") return e;
  if (action == "open" || action == "reopen") e.kind = EventKind::opened;
  // An update is a push (it has oldrev), or a new title, label or draft mark; the last one matters because a draft is not applied.
  if (action == "update" &&
      (json::find(v, {"object_attributes", "oldrev"}) || json::find(v, {"changes", "draft"}) || json::find(v, {"changes", "target_branch"})))
    e.kind = EventKind::opened;
  if (action == "close") e.kind = EventKind::closed;
  if (action == "merge") e.kind = EventKind::merged;
  if (action == "approved" || action == "approval") {
    e.kind = EventKind::approval;
    e.user = json::text_at(v, {"user", "username"});
    e.head = json::text_at(v, {"object_attributes", "last_commit", "id"});
    if (!is_commit(e.head)) return fail(std::string("Field 'object_attributes.last_commit.id' must be a commit's id"));
  }
  if (e.kind == EventKind::none) return e;
  return numbered(std::move(e), v, {"object_attributes", "iid"});
}

}  // namespace

bool is_authentic(ForgeKind forge, const Headers& headers, std::string_view body, std::string_view secret) {
  if (secret.empty()) return false;
  if (forge == ForgeKind::gitea) {
    const auto given = crypto::from_hex(header(headers, "x-gitea-signature"));
    return given && crypto::equal(*given, crypto::hmac_sha256(secret, body));
  }
  // Hashed first, so that not even the secret's length shows in the time.
  return crypto::equal(crypto::sha256(header(headers, "x-gitlab-token")), crypto::sha256(secret));
}

std::string claimed_repository(ForgeKind forge, std::string_view body) {
  const auto v = json::parse(body);
  if (!v || !v->is_object()) return "";
  return forge == ForgeKind::gitea ? json::text_at(*v, {"repository", "full_name"}) : json::text_at(*v, {"project", "path_with_namespace"});
}

Expected<Event, std::string> parse_event(ForgeKind forge, const Headers& headers, std::string_view body) {
  const auto v = json::parse(body);
  if (!v) return fail(v.error().message());
  if (!v->is_object()) return fail(std::string("The body must be a JSON object"));
  Event e;
  e.repository = claimed_repository(forge, body);
  e.delivery = header(headers, forge == ForgeKind::gitea ? "x-gitea-delivery" : "x-gitlab-event-uuid");
  if (e.delivery.size() > 100) return fail(std::string("The delivery's id is longer than 100 characters"));
  return forge == ForgeKind::gitea ? gitea_event(headers, *v, std::move(e)) : gitlab_event(*v, std::move(e));
}

std::optional<Command> parse_command(std::string_view comment) {
  std::string line(comment.substr(0, comment.find('\n')));
  std::vector<std::string> words;
  std::string word;
  for (const char c : line + " ") {
    if (!std::isspace(static_cast<unsigned char>(c))) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  const auto lower = [](std::string t) {
    for (char& c : t) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return t;
  };
  if (!words.empty() && lower(words.front()) == "tarn") words.erase(words.begin());
  if (words.empty() || words.size() > 2) return std::nullopt;
  Command c;
  const auto verb = lower(words[0]);
  if (verb == "apply")
    c.verb = Command::Verb::apply;
  else if (verb == "plan")
    c.verb = Command::Verb::plan;
  else if (verb == "unlock")
    c.verb = Command::Verb::unlock;
  else
    return std::nullopt;
  if (words.size() == 2) c.unit = words[1];
  return c;
}

}  // namespace tarn::review
