#pragma once
// The place where merge requests live, as the service needs it: Gitea (API v1) or GitLab (API v4). A webhook only says where to look; every fact
// that decides something is read from the forge's API again. Thread-safe: a forge holds its address and credential, no connection.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "review/config.h"

namespace tarn::review {

/// What a webhook is about. `none`: a valid delivery that changes nothing here.
enum class EventKind { none, opened, closed, merged, comment, approval, push };
BOOST_DESCRIBE_ENUM(EventKind, none, opened, closed, merged, comment, approval, push)

struct Event {
  EventKind kind = EventKind::none;
  std::string repository;  // as the configuration names it
  std::int64_t number = 0;
  std::int64_t comment_id = 0;
  std::string branch;    // push: the branch that moved
  std::string user;      // approval: who
  std::string head;      // approval: what was approved
  std::string delivery;  // the forge's id of this delivery
};

enum class MergeState { open, merged, closed };
BOOST_DESCRIBE_ENUM(MergeState, open, merged, closed)

struct MergeRequest {
  std::int64_t number = 0;
  std::string title, author, head, base_branch, merge_commit, url;
  MergeState state = MergeState::open;
  bool draft = false, from_fork = false;
};

struct Comment {
  std::int64_t id = 0;
  std::string author, body;
};

/// What somebody may do in the repository.
enum class Permission { none, read, write };

/// Somebody who approves now. `current`: the forge itself says that the approval is of this head (nothing: it does not say).
struct Approval {
  std::string user;
  std::optional<bool> current;
};

enum class Check { pending, success, failure };

struct ForgeError {
  int status = 0;  // 0: no answer
  std::string message;
};
template <class T>
using ForgeResult = Expected<T, ForgeError>;

class Forge {
 public:
  virtual ~Forge() = default;
  virtual ForgeResult<std::string> me() = 0;  // the service's own user name
  virtual ForgeResult<std::vector<std::int64_t>> open_requests() = 0;
  virtual ForgeResult<MergeRequest> merge_request(std::int64_t number) = 0;
  virtual ForgeResult<Permission> permission(const std::string& user) = 0;
  virtual ForgeResult<std::vector<Approval>> approvals(const MergeRequest& mr) = 0;
  virtual ForgeResult<Comment> comment(std::int64_t number, std::int64_t id) = 0;
  /// The oldest comment of `author` that begins with `marker`; 0 if there is none.
  virtual ForgeResult<std::int64_t> find_comment(std::int64_t number, const std::string& author, const std::string& marker) = 0;
  virtual ForgeResult<std::int64_t> create_comment(std::int64_t number, const std::string& body) = 0;
  /// 404 if it was deleted.
  virtual ForgeResult<void> update_comment(std::int64_t number, std::int64_t id, const std::string& body) = 0;
  virtual ForgeResult<std::int64_t> create_issue(const std::string& title, const std::string& body) = 0;
  virtual ForgeResult<void> update_issue(std::int64_t number, const std::string& body, bool open) = 0;
  virtual ForgeResult<void> create_issue_comment(std::int64_t number, const std::string& body) = 0;
  virtual ForgeResult<void> set_check(const std::string& commit, Check state, const std::string& description) = 0;
  /// Merges exactly this head; fails if it is another by now.
  virtual ForgeResult<void> merge(const MergeRequest& mr) = 0;
  /// What `git fetch` over HTTP authenticates with: user:password.
  virtual std::string git_credentials() const = 0;
};

/// `token` is a secret and stays inside.
std::unique_ptr<Forge> make_gitea(const RepositorySpec& spec, std::string token);
std::unique_ptr<Forge> make_gitlab(const RepositorySpec& spec, std::string token);
inline std::unique_ptr<Forge> make_forge(const RepositorySpec& spec, std::string token) {
  return spec.forge == ForgeKind::gitea ? make_gitea(spec, std::move(token)) : make_gitlab(spec, std::move(token));
}

}  // namespace tarn::review
