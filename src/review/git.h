#pragma once
// The repository's files, through the git program: a bare mirror in the service's folder, merges tried without a work tree, clean checkouts.
// Nothing of a repository runs: no hooks, no filters, no submodules, no configuration but ours. The credential travels in the environment of the
// one command that needs it. Calls for one repository must not overlap (the service works on one job a repository at a time).
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace tarn::review {

/// What main would become.
struct Merged {
  std::string tree;
  bool conflict = false;
};

class Git {
 public:
  virtual ~Git() = default;
  /// Brings main and one commit of a merge request (empty: main only). Returns main's tip.
  virtual Expected<std::string, std::string> fetch(const std::string& branch, std::int64_t number, const std::string& head) = 0;
  /// The tree of merging `head` into `base`.
  virtual Expected<Merged, std::string> merge(const std::string& base, const std::string& head) = 0;
  virtual Expected<std::string, std::string> tree_of(const std::string& commit) = 0;
  /// Whether `commit` is `base` or came after it.
  virtual Expected<bool, std::string> descends(const std::string& commit, const std::string& base) = 0;
  /// Paths that differ between two trees or commits.
  virtual Expected<std::vector<std::string>, std::string> changed(const std::string& from, const std::string& to) = 0;
  /// A clean checkout of a tree in a new folder, with a `.git` of its own that knows no remote.
  virtual Expected<void, std::string> checkout(const std::string& tree, const std::string& folder) = 0;
};

enum class PullRefs { gitea, gitlab };

/// `credentials`: user:password. `folder`: the mirror's, made if absent.
std::unique_ptr<Git> make_git(std::string url, std::string folder, std::string credentials, std::string ca_file, PullRefs refs);

}  // namespace tarn::review
