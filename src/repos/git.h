#pragma once
// Git as a child process: what a remote repository holds at a branch or tag, fetched into a scratch folder that goes with the result. The child gets
// no configuration, hooks, prompts or helpers of this machine, speaks HTTP(S) to the one address that was checked, follows no redirect, has bounded
// time, memory and file size, and is killed at the deadline. A credential reaches it through its environment only. Thread-safe; methods block.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>

#include "repos/targets.h"

namespace tarn::repos {

struct GitLogin {
  std::string user, token;
};

struct TreeFile {
  std::string path;    // relative, with slashes
  std::string object;  // the blob's id
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of its bytes in the checkout's content
};

/// One commit of a remote, on disk until this ends.
class Checkout {
 public:
  Checkout(std::filesystem::path scratch) : scratch_(std::move(scratch)) {}
  Checkout(Checkout&& other) noexcept
      : branch(std::move(other.branch)),
        commit(std::move(other.commit)),
        files(std::move(other.files)),
        scratch_(std::exchange(other.scratch_, {})) {}
  ~Checkout();

  std::string branch;  // empty: a tag, HEAD is detached
  std::string commit;
  std::vector<TreeFile> files;  // no symbolic links, no submodules
  std::string bytes(const TreeFile& file) const;
  const std::filesystem::path& scratch() const { return scratch_; }

 private:
  std::filesystem::path scratch_;
};

class Git {
 public:
  struct Limits {
    std::chrono::seconds patience{100};  // of one fetch, below the gateway's own limit
    std::uint64_t bytes = 2ull << 30;    // of all files of a checkout
    std::size_t files = 10'000;
    int at_once = 4;                  // fetches: a remote that hangs must not take every worker with it
    std::uint64_t pack = 4ull << 30;  // of one file that git writes
  };
  /// `spool`: where scratch folders are made (and those of a process that died are removed now). `ca_file`: authorities to trust instead of the
  /// system's; empty: the system's.
  Git(std::string spool, std::string ca_file, Limits limits);
  Git(std::string spool, std::string ca_file) : Git(std::move(spool), std::move(ca_file), Limits{}) {}

  /// `commit_id` (40 hexadecimal digits) instead of both: that commit, where the remote serves commits by their id.
  /// The tip of a branch or a tag; with neither, of the remote's default branch (an empty remote has no commit). `wanted`: which paths are needed at
  /// all. remote_refused (also: no such branch or tag), no_credential,
  /// too_large, busy, unavailable.
  Result<Checkout> fetch(const Target& target, const std::optional<GitLogin>& login, const std::string& branch, const std::string& tag,
                         const std::function<bool(const std::string&)>& wanted, const std::string& commit_id = {});

 private:
  struct Finished {
    int code = -1;
    bool late = false;
    std::string out, err;
  };
  Finished run(const std::filesystem::path& home, const std::vector<std::string>& arguments, const Target* target,
               const std::optional<GitLogin>& login, std::chrono::steady_clock::time_point deadline, const std::string& in_file = {},
               const std::string& out_file = {});
  const std::string spool_, ca_file_;
  const Limits limits_;
  std::atomic<int> running_{0};
};

/// A branch's or tag's name by git's own rules (git-check-ref-format), and not one that reads as an option.
bool valid_ref(std::string_view name);

}  // namespace tarn::repos
