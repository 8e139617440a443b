#include "review/git.h"

#include <filesystem>

#include "base/crypto.h"
#include "review/child.h"

namespace tarn::review {
namespace {

namespace fs = std::filesystem;

bool is_object_id(std::string_view text) { return (text.size() == 40 || text.size() == 64) && crypto::from_hex(text).has_value(); }

class BinaryGit final : public Git {
 public:
  BinaryGit(std::string url, std::string folder, std::string credentials, std::string ca_file, PullRefs refs)
      : url_(std::move(url)), folder_(std::move(folder)), credentials_(std::move(credentials)), ca_file_(std::move(ca_file)), refs_(refs) {}

  Expected<std::string, std::string> fetch(const std::string& branch, std::int64_t number, const std::string& head) override {
    if (!fs::exists(folder_ + "/HEAD")) {
      std::error_code failure;
      fs::create_directories(folder_, failure);
      if (failure) return fail("Cannot make " + folder_ + ": " + failure.message());
      TARN_CHECK(git({"init", "-q", "--bare", folder_}, {}));
    }
    std::vector<std::string> command{"fetch",
                                     "-q",
                                     "--no-tags",
                                     "--force",
                                     "--no-write-fetch-head",
                                     "--no-recurse-submodules",
                                     url_,
                                     "refs/heads/" + branch + ":refs/main/" + branch};
    if (!head.empty()) {
      const std::string name = std::to_string(number);
      command.push_back((refs_ == PullRefs::gitea ? "refs/pull/" + name + "/head" : "refs/merge-requests/" + name + "/head") + ":refs/requests/" +
                        name);
    }
    TARN_CHECK(git(command, folder_, true));
    if (!head.empty()) {
      if (!is_object_id(head)) return fail("'" + head + "' is not a commit");
      if (!git({"cat-file", "-e", head + "^{commit}"}, folder_)) return fail("commit " + head + " is not in the repository (was it pushed over?)");
    }
    return git({"rev-parse", "--verify", "-q", "refs/main/" + branch + "^{commit}"}, folder_);
  }

  Expected<Merged, std::string> merge(const std::string& base, const std::string& head) override {
    const auto r = raw({"merge-tree", "--write-tree", "--no-messages", "--name-only", base, head}, folder_, false);
    const std::string tree = r.out.substr(0, r.out.find('\n'));
    if (r.exit_code == 0 && is_object_id(tree)) return Merged{tree, false};
    if (r.exit_code == 1 && is_object_id(tree)) return Merged{tree, true};
    return fail("git merge-tree: " + shown(r));
  }

  Expected<std::string, std::string> tree_of(const std::string& commit) override {
    return git({"rev-parse", "--verify", "-q", commit + "^{tree}"}, folder_);
  }

  Expected<bool, std::string> descends(const std::string& commit, const std::string& base) override {
    const auto r = raw({"merge-base", "--is-ancestor", base, commit}, folder_, false);
    if (r.exit_code == 0 || r.exit_code == 1) return r.exit_code == 0;
    return fail("git merge-base: " + shown(r));
  }

  Expected<std::vector<std::string>, std::string> changed(const std::string& from, const std::string& to) override {
    const auto r = raw({"diff-tree", "-r", "-z", "--name-only", "--no-renames", from, to}, folder_, false, 8u << 20);
    if (r.exit_code != 0) return fail("git diff-tree: " + shown(r));
    if (r.out_cut) return fail(std::string("the change names more files than can be looked at"));
    std::vector<std::string> out;
    for (std::size_t at = 0; at < r.out.size();) {
      const auto end = std::min(r.out.find('\0', at), r.out.size());
      out.push_back(r.out.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }

  Expected<void, std::string> checkout(const std::string& tree, const std::string& folder) override {
    // A commit of ours around the tree: what a fetch can name. Its date stands still, so that one tree is one commit.
    TARN_TRY(commit, git({"commit-tree", "-m", "as reviewed", tree}, folder_));
    TARN_CHECK(git({"init", "-q", folder}, {}));
    TARN_CHECK(git({"-C", folder, "fetch", "-q", "--depth", "1", "--no-tags", "file://" + fs::absolute(folder_).string(), commit}, {}));
    TARN_CHECK(git({"-C", folder, "checkout", "-q", "--detach", commit}, {}));
    std::error_code ignored;
    fs::remove(folder + "/.git/FETCH_HEAD", ignored);
    return {};
  }

 private:
  static std::string shown(const ChildResult& r) {
    if (r.timed_out) return "it took too long";
    std::string text = r.err.substr(0, 500);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.empty() ? fmt::format("it ended with {}", r.exit_code) : text;
  }

  ChildResult raw(std::vector<std::string> arguments, const std::string& folder, bool remote, std::size_t most = 1u << 20) const {
    std::vector<std::pair<std::string, std::string>> config{{"core.hooksPath", "/dev/null"},
                                                            {"core.fsmonitor", "false"},
                                                            {"protocol.allow", "never"},
                                                            {"protocol.http.allow", "always"},
                                                            {"protocol.https.allow", "always"},
                                                            {"protocol.file.allow", "always"},
                                                            {"uploadpack.allowAnySHA1InWant", "true"},
                                                            {"safe.directory", "*"},
                                                            {"fetch.fsckObjects", "true"},
                                                            {"core.symlinks", "true"},
                                                            {"http.followRedirects", "false"},
                                                            {"http.lowSpeedLimit", "1000"},
                                                            {"http.lowSpeedTime", "30"},
                                                            {"gc.auto", "0"},
                                                            {"init.defaultBranch", "main"},
                                                            {"core.protectNTFS", "false"}};
    if (remote && !credentials_.empty()) config.emplace_back("http.extraHeader", "Authorization: Basic " + crypto::base64(credentials_));
    if (remote && !ca_file_.empty()) config.emplace_back("http.sslCAInfo", ca_file_);
    ChildSpec spec{.command = {"git"}, .folder = folder, .seconds = remote ? 300 : 120, .most_output = most};
    for (auto& a : arguments) spec.command.push_back(std::move(a));
    spec.environment = {"PATH=/usr/bin:/bin",
                        "HOME=/nonexistent",
                        "GIT_CONFIG_NOSYSTEM=1",
                        "GIT_TERMINAL_PROMPT=0",
                        "GIT_ASKPASS=/bin/false",
                        "LC_ALL=C",
                        "GIT_AUTHOR_NAME=tarn review",
                        "GIT_AUTHOR_EMAIL=review@tarn.invalid",
                        "GIT_COMMITTER_NAME=tarn review",
                        "GIT_COMMITTER_EMAIL=review@tarn.invalid",
                        "GIT_AUTHOR_DATE=1700000000 +0000",
                        "GIT_COMMITTER_DATE=1700000000 +0000",
                        fmt::format("GIT_CONFIG_COUNT={}", config.size())};
    for (std::size_t i = 0; i < config.size(); ++i) {
      spec.environment.push_back(fmt::format("GIT_CONFIG_KEY_{}={}", i, config[i].first));
      spec.environment.push_back(fmt::format("GIT_CONFIG_VALUE_{}={}", i, config[i].second));
    }
    return run(spec);
  }

  Expected<std::string, std::string> git(std::vector<std::string> arguments, const std::string& folder, bool remote = false) const {
    const std::string verb = arguments.front() == "-C" ? arguments[2] : arguments.front();
    const auto r = raw(std::move(arguments), folder, remote);
    if (r.exit_code != 0) return fail("git " + verb + ": " + shown(r));
    std::string out = r.out;
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }

  std::string url_, folder_, credentials_, ca_file_;
  PullRefs refs_;
};

}  // namespace

std::unique_ptr<Git> make_git(std::string url, std::string folder, std::string credentials, std::string ca_file, PullRefs refs) {
  return std::make_unique<BinaryGit>(std::move(url), std::move(folder), std::move(credentials), std::move(ca_file), refs);
}

}  // namespace tarn::review
