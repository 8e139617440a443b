// GitLab's API v4 (docs.gitlab.com/api: merge_requests, merge_request_approvals, notes, members, issues, commits "set commit pipeline status").
#include "api/api.h"
#include "review/forge_http.h"

namespace tarn::review {
namespace {

constexpr std::int64_t kReporter = 20, kDeveloper = 30;

class GitLab final : public Forge {
 public:
  GitLab(const RepositorySpec& spec, std::string token)
      : api_(spec.url + "/api/v4", spec.ca_file.value_or(""), "PRIVATE-TOKEN: " + token),
        project_("/projects/" + api::percent_encode(spec.repository)),
        token_(std::move(token)) {}

  ForgeResult<std::string> me() override {
    TARN_TRY(user, api_.call("GET", "/user"));
    return json::text_at(user, {"username"});
  }

  ForgeResult<std::vector<std::int64_t>> open_requests() override {
    TARN_TRY(list, api_.list(project_ + "/merge_requests?state=opened", "per_page"));
    std::vector<std::int64_t> out;
    for (const auto& v : list) out.push_back(number_at(v, {"iid"}));
    return out;
  }

  ForgeResult<MergeRequest> merge_request(std::int64_t number) override {
    TARN_TRY(v, api_.call("GET", at(number)));
    MergeRequest mr{.number = number,
                    .title = json::text_at(v, {"title"}),
                    .author = json::text_at(v, {"author", "username"}),
                    .head = json::text_at(v, {"sha"}),
                    .base_branch = json::text_at(v, {"target_branch"}),
                    .url = json::text_at(v, {"web_url"}),
                    .draft = flag_at(v, {"draft"}) || flag_at(v, {"work_in_progress"}),
                    .from_fork = number_at(v, {"source_project_id"}) != number_at(v, {"target_project_id"})};
    // What main became: a merge commit, a squashed one, or the head itself (fast-forward).
    for (const char* name : {"merge_commit_sha", "squash_commit_sha", "sha"})
      if (mr.merge_commit.empty()) mr.merge_commit = json::text_at(v, {name});
    const auto state = json::text_at(v, {"state"});
    mr.state = state == "merged"   ? MergeState::merged
               : state == "opened" ? MergeState::open
                                   : MergeState::closed;  // locked: in between, nothing to do
    if (mr.state != MergeState::merged) mr.merge_commit.clear();
    return mr;
  }

  ForgeResult<Permission> permission(const std::string& user) override {
    TARN_TRY(users, api_.call("GET", "/users?username=" + api::percent_encode(user)));
    if (!users.is_array() || users.as_array().empty()) return Permission::none;
    auto member = api_.call("GET", fmt::format("{}/members/all/{}", project_, number_at(users.as_array().front(), {"id"})));
    if (!member && member.error().status == 404) return Permission::none;
    if (!member) return fail(member.error());
    if (json::text_at(*member, {"state"}) != "active") return Permission::none;
    const auto level = number_at(*member, {"access_level"});
    return level >= kDeveloper ? Permission::write : level >= kReporter ? Permission::read : Permission::none;
  }

  ForgeResult<std::vector<Approval>> approvals(const MergeRequest& mr) override {
    TARN_TRY(v, api_.call("GET", at(mr.number) + "/approvals"));
    TARN_TRY(versions, api_.list(at(mr.number) + "/versions", "per_page"));
    // An approval names no commit. It is of this head if it was given after the head arrived here, by GitLab's own clock (a version's
    // created_at, never a commit's date, which its author chooses).
    std::string arrived;
    for (const auto& version : versions)
      if (json::text_at(version, {"head_commit_sha"}) == mr.head) arrived = std::max(arrived, json::text_at(version, {"created_at"}));
    std::vector<Approval> out;
    if (const auto* by = json::find(v, {"approved_by"}); by && by->is_array()) {
      for (const auto& entry : by->as_array()) {
        Approval a{.user = json::text_at(entry, {"user", "username"})};
        const auto when = json::text_at(entry, {"approved_at"});
        if (!when.empty() && !arrived.empty()) a.current = comparable(when) && comparable(arrived) && when >= arrived;
        if (!a.user.empty()) out.push_back(std::move(a));
      }
    }
    return out;
  }

  ForgeResult<Comment> comment(std::int64_t number, std::int64_t id) override {
    TARN_TRY(v, api_.call("GET", fmt::format("{}/notes/{}", at(number), id)));
    if (flag_at(v, {"system"})) return Comment{id, "", ""};
    return Comment{id, json::text_at(v, {"author", "username"}), json::text_at(v, {"body"})};
  }

  ForgeResult<std::int64_t> find_comment(std::int64_t number, const std::string& author, const std::string& marker) override {
    TARN_TRY(list, api_.list(at(number) + "/notes?sort=asc&order_by=created_at", "per_page"));
    for (const auto& v : list)
      if (json::text_at(v, {"author", "username"}) == author && json::text_at(v, {"body"}).starts_with(marker)) return number_at(v, {"id"});
    return 0;
  }

  ForgeResult<std::int64_t> create_comment(std::int64_t number, const std::string& body) override {
    TARN_TRY(v, api_.call("POST", at(number) + "/notes", json::object{{"body", body}}));
    return number_at(v, {"id"});
  }

  ForgeResult<void> update_comment(std::int64_t number, std::int64_t id, const std::string& body) override {
    return done(api_.call("PUT", fmt::format("{}/notes/{}", at(number), id), json::object{{"body", body}}));
  }

  ForgeResult<std::int64_t> create_issue(const std::string& title, const std::string& body) override {
    TARN_TRY(v, api_.call("POST", project_ + "/issues", json::object{{"title", title}, {"description", body}}));
    return number_at(v, {"iid"});
  }

  ForgeResult<void> update_issue(std::int64_t number, const std::string& body, bool open) override {
    return done(api_.call("PUT", fmt::format("{}/issues/{}", project_, number),
                          json::object{{"description", body}, {"state_event", open ? "reopen" : "close"}}));
  }

  ForgeResult<void> create_issue_comment(std::int64_t number, const std::string& body) override {
    return done(api_.call("POST", fmt::format("{}/issues/{}/notes", project_, number), json::object{{"body", body}}));
  }

  ForgeResult<void> set_check(const std::string& commit, Check state, const std::string& description) override {
    const char* word = state == Check::pending ? "pending" : state == Check::success ? "success" : "failed";
    auto answer = done(
        api_.call("POST", project_ + "/statuses/" + commit, json::object{{"name", "tarn/review"}, {"state", word}, {"description", description}}));
    // GitLab refuses to set a state that is set already.
    if (!answer && answer.error().status == 400 && answer.error().message.find("Cannot transition status") != std::string::npos) return {};
    return answer;
  }

  ForgeResult<void> merge(const MergeRequest& mr) override {
    return done(api_.call("PUT", at(mr.number) + "/merge", json::object{{"sha", mr.head}}));
  }

  std::string git_credentials() const override { return "oauth2:" + token_; }

 private:
  std::string at(std::int64_t number) const { return fmt::format("{}/merge_requests/{}", project_, number); }
  /// Both times as GitLab writes them by default, in UTC, so that text order is time order.
  static bool comparable(const std::string& time) { return time.size() >= 20 && time.ends_with('Z') && time[10] == 'T'; }
  static ForgeResult<void> done(ForgeResult<json::value> answer) {
    if (!answer) return fail(std::move(answer).error());
    return {};
  }
  ForgeHttp api_;
  std::string project_, token_;
};

}  // namespace

std::unique_ptr<Forge> make_gitlab(const RepositorySpec& spec, std::string token) { return std::make_unique<GitLab>(spec, std::move(token)); }

}  // namespace tarn::review
