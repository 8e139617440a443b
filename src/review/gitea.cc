// Gitea's API v1 (its own description: /swagger.v1.json of every server; structures: modules/structs).
#include "api/api.h"
#include "review/forge_http.h"

namespace tarn::review {
namespace {

class Gitea final : public Forge {
 public:
  Gitea(const RepositorySpec& spec, std::string token)
      : api_(spec.url + "/api/v1", spec.ca_file.value_or(""), "Authorization: token " + token),
        repo_("/repos/" + spec.repository),
        token_(std::move(token)) {}

  ForgeResult<std::string> me() override {
    TARN_TRY(user, api_.call("GET", "/user"));
    return json::text_at(user, {"login"});
  }

  ForgeResult<std::vector<std::int64_t>> open_requests() override {
    auto list = api_.list(repo_ + "/pulls?state=open", "limit");
    if (!list && list.error().status == 404) {  // also said of a repository that never had one
      if (auto there = api_.call("GET", repo_); !there) return fail(there.error());
      return std::vector<std::int64_t>{};
    }
    if (!list) return fail(list.error());
    std::vector<std::int64_t> out;
    for (const auto& v : *list) out.push_back(number_at(v, {"number"}));
    return out;
  }

  ForgeResult<MergeRequest> merge_request(std::int64_t number) override {
    TARN_TRY(v, api_.call("GET", fmt::format("{}/pulls/{}", repo_, number)));
    MergeRequest mr{.number = number,
                    .title = json::text_at(v, {"title"}),
                    .author = json::text_at(v, {"user", "login"}),
                    .head = json::text_at(v, {"head", "sha"}),
                    .base_branch = json::text_at(v, {"base", "ref"}),
                    .merge_commit = json::text_at(v, {"merge_commit_sha"}),
                    .url = json::text_at(v, {"html_url"}),
                    .draft = flag_at(v, {"draft"}),
                    // A fork that is gone has no repository: not this one either.
                    .from_fork = number_at(v, {"head", "repo_id"}) != number_at(v, {"base", "repo_id"})};
    mr.state = flag_at(v, {"merged"}) ? MergeState::merged : json::text_at(v, {"state"}) == "open" ? MergeState::open : MergeState::closed;
    return mr;
  }

  ForgeResult<Permission> permission(const std::string& user) override {
    auto answer = api_.call("GET", repo_ + "/collaborators/" + api::percent_encode(user) + "/permission");
    if (!answer && answer.error().status == 404) return Permission::none;  // no such user
    if (!answer && answer.error().status == 403)
      return fail(ForgeError{
          403, "Gitea tells only administrators of a repository what others may do in it: make the service's user one. " + answer.error().message});
    if (!answer) return fail(answer.error());
    const auto level = json::text_at(*answer, {"permission"});
    return level == "write" || level == "admin" || level == "owner" ? Permission::write : level == "read" ? Permission::read : Permission::none;
  }

  ForgeResult<std::vector<Approval>> approvals(const MergeRequest& mr) override {
    TARN_TRY(reviews, api_.list(fmt::format("{}/pulls/{}/reviews", repo_, mr.number), "limit"));
    // In the order they were given: a later word of the same person replaces the earlier one; a mere comment replaces nothing.
    std::map<std::string, std::optional<bool>> standing;
    for (const auto& r : reviews) {
      const auto user = json::text_at(r, {"user", "login"}), state = json::text_at(r, {"state"});
      if (user.empty() || (state != "APPROVED" && state != "REQUEST_CHANGES")) continue;
      standing.erase(user);
      if (state == "APPROVED" && !flag_at(r, {"dismissed"})) standing[user] = !flag_at(r, {"stale"}) && json::text_at(r, {"commit_id"}) == mr.head;
    }
    std::vector<Approval> out;
    for (const auto& [user, current] : standing) out.push_back({user, current});
    return out;
  }

  ForgeResult<Comment> comment(std::int64_t number, std::int64_t id) override {
    TARN_TRY(v, api_.call("GET", fmt::format("{}/issues/comments/{}", repo_, id)));
    // An id is the repository's, not the request's: a comment elsewhere is not a word about this one.
    auto url = json::text_at(v, {"pull_request_url"});
    if (url.empty()) url = json::text_at(v, {"issue_url"});
    if (!url.ends_with("/" + std::to_string(number))) return fail(ForgeError{404, fmt::format("comment {} is not about request {}", id, number)});
    return Comment{id, json::text_at(v, {"user", "login"}), json::text_at(v, {"body"})};
  }

  ForgeResult<std::int64_t> find_comment(std::int64_t number, const std::string& author, const std::string& marker) override {
    TARN_TRY(list, api_.call("GET", fmt::format("{}/issues/{}/comments", repo_, number)));  // not paged
    if (list.is_array())
      for (const auto& v : list.as_array())
        if (json::text_at(v, {"user", "login"}) == author && json::text_at(v, {"body"}).starts_with(marker)) return number_at(v, {"id"});
    return 0;
  }

  ForgeResult<std::int64_t> create_comment(std::int64_t number, const std::string& body) override {
    TARN_TRY(v, api_.call("POST", fmt::format("{}/issues/{}/comments", repo_, number), json::object{{"body", body}}));
    return number_at(v, {"id"});
  }

  ForgeResult<void> update_comment(std::int64_t, std::int64_t id, const std::string& body) override {
    return done(api_.call("PATCH", fmt::format("{}/issues/comments/{}", repo_, id), json::object{{"body", body}}));
  }

  ForgeResult<std::int64_t> create_issue(const std::string& title, const std::string& body) override {
    TARN_TRY(v, api_.call("POST", repo_ + "/issues", json::object{{"title", title}, {"body", body}}));
    return number_at(v, {"number"});
  }

  ForgeResult<void> update_issue(std::int64_t number, const std::string& body, bool open) override {
    return done(api_.call("PATCH", fmt::format("{}/issues/{}", repo_, number), json::object{{"body", body}, {"state", open ? "open" : "closed"}}));
  }

  ForgeResult<void> create_issue_comment(std::int64_t number, const std::string& body) override {
    return done(api_.call("POST", fmt::format("{}/issues/{}/comments", repo_, number), json::object{{"body", body}}));
  }

  ForgeResult<void> set_check(const std::string& commit, Check state, const std::string& description) override {
    const char* word = state == Check::pending ? "pending" : state == Check::success ? "success" : "failure";
    return done(
        api_.call("POST", repo_ + "/statuses/" + commit, json::object{{"context", "tarn/review"}, {"state", word}, {"description", description}}));
  }

  ForgeResult<void> merge(const MergeRequest& mr) override {
    return done(api_.call("POST", fmt::format("{}/pulls/{}/merge", repo_, mr.number), json::object{{"Do", "merge"}, {"head_commit_id", mr.head}}));
  }

  std::string git_credentials() const override { return "tarn-review:" + token_; }

 private:
  static ForgeResult<void> done(ForgeResult<json::value> answer) {
    if (!answer) return fail(std::move(answer).error());
    return {};
  }
  ForgeHttp api_;
  std::string repo_, token_;
};

}  // namespace

std::unique_ptr<Forge> make_gitea(const RepositorySpec& spec, std::string token) { return std::make_unique<Gitea>(spec, std::move(token)); }

}  // namespace tarn::review
