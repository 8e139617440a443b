#pragma once
// Git folders: a remote's branch or tag, checked out into the workspace's tree as notebooks and files. The remote is fetched anew for each checkout
// and nothing of it stays on this machine but the files; an edited file is never overwritten. Reading needs CAN_READ on the folder, Git operations
// CAN_MANAGE. Thread-safe; methods block on store, storage and the remote. Source: REST API reference "Repos".
#include "repos/credentials.h"
#include "workspace/tree.h"

namespace tarn::repos {

struct Sparse {
  std::vector<std::string> patterns;  // folders, as git's cone mode has them; files of the root and of their parents come along
};
BOOST_DESCRIBE_STRUCT(Sparse, (), (patterns))

struct RepoInfo {
  std::int64_t id = 0;
  std::string url, provider, path;
  std::optional<std::string> branch, head_commit_id;
  std::optional<Sparse> sparse_checkout;
};
BOOST_DESCRIBE_STRUCT(RepoInfo, (), (id, url, provider, path, branch, head_commit_id, sparse_checkout))

struct NewRepo {
  std::string url, provider;
  std::optional<std::string> path;
  std::optional<Sparse> sparse_checkout;
  std::optional<std::int64_t> git_credential_id;
};
BOOST_DESCRIBE_STRUCT(NewRepo, (), (url, provider, path, sparse_checkout, git_credential_id))

struct RepoChange {
  std::optional<std::string> branch, tag, path, url, provider;
  std::optional<Sparse> sparse_checkout;
  std::optional<std::int64_t> git_credential_id;
};
BOOST_DESCRIBE_STRUCT(RepoChange, (), (branch, tag, path, url, provider, sparse_checkout, git_credential_id))

struct RepoPage {
  std::vector<RepoInfo> repos;
  std::optional<std::string> next;  // pass as `after`
};

class Repos final : public workspace::Watcher {
 public:
  Repos(store::Store& store, workspace::Tree& tree, Credentials& credentials, const Targets& targets, Git& git)
      : store_(store), tree_(tree), credentials_(credentials), targets_(targets), git_(git) {
    tree_.watch(*this);
  }

  Result<RepoInfo> create(const access::Context& ctx, const NewRepo& request);
  Result<RepoInfo> get(const access::Context& ctx, std::int64_t id);
  /// Those under a path that the caller may read, by path after `after`, at most `limit`.
  Result<RepoPage> list(const access::Context& ctx, const std::string& prefix, const std::string& after, std::size_t limit);
  /// Checks a branch or tag out, or the latest commit of the present branch.
  Result<RepoInfo> update(const access::Context& ctx, std::int64_t id, const RepoChange& change);
  Result<void> remove(const access::Context& ctx, std::int64_t id);

  /// A deleted workspace's records, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;
  void on_removed(store::WriteTxn& t, const workspace::Node& node) override;
  json::value git_info(store::ReadTxn& t, const workspace::Node& node) override;

 private:
  struct Found {
    RepoInfo info;
    workspace::Node node;
  };
  Result<Found> reach(const access::Context& ctx, std::int64_t id, std::string_view level);
  /// Brings the folder to what the checkout holds, in one transaction that `also` joins.
  Result<void> apply(const access::Context& ctx, const std::string& root, const Checkout& checkout, store::AuditEvent event,
                     const std::function<Result<void>(store::WriteTxn&)>& also);

  store::Store& store_;
  workspace::Tree& tree_;
  Credentials& credentials_;
  const Targets& targets_;
  Git& git_;
};

/// Whether a path is checked out under patterns of git's cone mode.
bool in_cone(const std::vector<std::string>& patterns, std::string_view path);

}  // namespace tarn::repos
