#include "repos/git.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <fstream>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"

namespace tarn::repos {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostErr = 64u << 10, kMostOut = 64u << 20;

bool numeric(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  return ::inet_pton(AF_INET, host.c_str(), &v4) == 1 || ::inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

/// Everything that git may know: nothing of this machine's configuration, and of the network one address.
std::vector<std::string> environment(const std::filesystem::path& home, const std::string& ca_file, const Target* target,
                                     const std::optional<GitLogin>& login) {
  std::vector<std::string> out{"PATH=/usr/local/bin:/usr/bin:/bin",
                               "HOME=" + home.string(),
                               "XDG_CONFIG_HOME=" + home.string(),
                               "TMPDIR=" + home.string(),
                               "LC_ALL=C",
                               "GIT_CONFIG_NOSYSTEM=1",
                               "GIT_CONFIG_GLOBAL=/dev/null",
                               "GIT_ATTR_NOSYSTEM=1",
                               "GIT_TERMINAL_PROMPT=0",
                               "GIT_ASKPASS=/bin/false",
                               "GIT_ALLOW_PROTOCOL=http:https",
                               "GIT_NO_REPLACE_OBJECTS=1",
                               "GIT_DIR=" + (home / "git").string()};
  std::vector<std::pair<std::string, std::string>> config{{"core.hooksPath", "/dev/null"},
                                                          {"credential.helper", ""},
                                                          {"gc.auto", "0"},
                                                          {"maintenance.auto", "false"},
                                                          {"fetch.recurseSubmodules", "false"},
                                                          {"http.followRedirects", "false"},
                                                          {"http.proxy", ""},
                                                          {"http.lowSpeedLimit", "1000"},
                                                          {"http.lowSpeedTime", "30"},
                                                          {"pack.threads", "1"},
                                                          {"index.threads", "1"}};
  if (target && !numeric(target->host)) {
    const bool v6 = target->address.find(':') != std::string::npos;
    config.emplace_back("http.curloptResolve",
                        fmt::format("{}:{}:{}", target->host, target->port, v6 ? "[" + target->address + "]" : target->address));
  }
  if (!ca_file.empty()) config.emplace_back("http.sslCAInfo", ca_file);
  if (login) config.emplace_back("http.extraHeader", "Authorization: Basic " + crypto::base64(login->user + ":" + login->token));
  out.push_back("GIT_CONFIG_COUNT=" + std::to_string(config.size()));
  for (std::size_t i = 0; i < config.size(); ++i) {
    out.push_back(fmt::format("GIT_CONFIG_KEY_{}={}", i, config[i].first));
    out.push_back(fmt::format("GIT_CONFIG_VALUE_{}={}", i, config[i].second));
  }
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& t : texts) out.push_back(const_cast<char*>(t.c_str()));
  out.push_back(nullptr);
  return out;
}

struct Pipe {
  int fd[2] = {-1, -1};
  Pipe() {
    if (::pipe2(fd, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for git");
  }
  ~Pipe() { shut(0), shut(1); }
  void shut(int i) {
    if (fd[i] >= 0) ::close(std::exchange(fd[i], -1));
  }
};

bool says(const std::string& text, std::initializer_list<const char*> words) {
  return std::ranges::any_of(words, [&](const char* w) { return text.find(w) != std::string::npos; });
}

/// What a failed conversation with the remote means, told by git's own words.
Error remote_error(const std::string& err, bool late, bool login, const std::string& what) {
  if (late) return {Errc::unavailable, "The remote Git repository did not answer in time. Try again, or clone fewer files with a sparse checkout."};
  if (says(err, {"could not read Username", "could not read Password", "Authentication failed", "returned error: 401", "returned error: 403",
                 "terminal prompts disabled"}))
    return login ? Error{Errc::no_credential,
                         "Invalid Git provider credentials. Go to User Settings > Git Integration to ensure that your personal access token is valid "
                         "and has access to the repository."}
                 : Error{Errc::no_credential,
                         "Missing Git provider credentials. Go to User Settings > Git Integration to add your personal access token."};
  if (says(err, {"couldn't find remote ref", "Couldn't find remote ref"}))
    return {Errc::remote_refused, what + " does not exist in the remote Git repository."};
  if (says(err, {"not found", "returned error: 404", "not valid: is this a git repository", "redirect", "returned error: 30"}))
    return {Errc::remote_refused,
            "Remote repo not found. Please ensure that: 1) Your remote Git repo URL is valid. 2) Your personal access token has the correct repo "
            "access."};
  if (says(err, {"unable to access", "Could not resolve host", "Connection refused", "timed out", "early EOF", "RPC failed"}))
    return {Errc::unavailable, "The remote Git repository cannot be reached."};
  return {Errc::remote_refused, "Failed to clone repo: the remote answered with something that is no Git repository."};
}

}  // namespace

bool valid_ref(std::string_view name) {
  if (name.empty() || name.size() > 255 || name.front() == '-' || name.front() == '/' || name.front() == '.' || name.back() == '/' ||
      name.back() == '.' || name == "@")
    return false;
  for (const char* bad : {"..", "//", "@{", "/.", ".lock/"})
    if (name.find(bad) != name.npos) return false;
  if (name.ends_with(".lock")) return false;
  return name.find_first_of(" ~^:?*[\\\x7f") == name.npos && std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

Git::Git(std::string spool, std::string ca_file, Limits limits) : spool_(std::move(spool)), ca_file_(std::move(ca_file)), limits_(limits) {
  std::error_code ignored;
  for (const auto& left : std::filesystem::directory_iterator(spool_, ignored))
    if (left.path().filename().string().starts_with("git-")) std::filesystem::remove_all(left.path(), ignored);
}

Checkout::~Checkout() {
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

std::string Checkout::bytes(const TreeFile& file) const {
  std::ifstream in(scratch_ / "content", std::ios::binary);
  std::string out(file.size, '\0');
  in.seekg(static_cast<std::streamoff>(file.offset)).read(out.data(), static_cast<std::streamsize>(out.size()));
  if (!in) throw std::runtime_error("a checkout lost its content");
  return out;
}

Git::Finished Git::run(const std::filesystem::path& home, const std::vector<std::string>& arguments, const Target* target,
                       const std::optional<GitLogin>& login, Clock::time_point deadline, const std::string& in_file, const std::string& out_file) {
  std::vector<std::string> command{"git"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto variables = environment(home, ca_file_, target, login);
  auto argv = pointers(command), envp = pointers(variables);
  const std::string folder = home.string();
  Pipe out, err;
  const int in_fd = ::open(in_file.empty() ? "/dev/null" : in_file.c_str(), O_RDONLY | O_CLOEXEC);
  const int out_fd = out_file.empty() ? -1 : ::open(out_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const rlimit files{limits_.pack, limits_.pack}, memory{4ull << 30, 4ull << 30}, no_core{0, 0};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("git cannot be started");
  if (pid == 0) {
    // Only async-signal-safe calls from here on.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::setrlimit(RLIMIT_FSIZE, &files);
    ::setrlimit(RLIMIT_AS, &memory);
    ::setrlimit(RLIMIT_AS, &memory);
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (in_fd < 0 || ::dup2(in_fd, 0) < 0 || ::dup2(out_fd >= 0 ? out_fd : out.fd[1], 1) < 0 || ::dup2(err.fd[1], 2) < 0) ::_exit(126);
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvpe("git", argv.data(), envp.data());
    ::_exit(127);
  }
  ::setpgid(pid, pid);
  if (in_fd >= 0) ::close(in_fd);
  if (out_fd >= 0) ::close(out_fd);
  out.shut(1), err.shut(1);
  Finished done;
  bool open_out = true, open_err = true;
  while (open_out || open_err) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || done.out.size() > kMostOut) {
      done.late = true;
      break;
    }
    pollfd fds[2] = {{open_out ? out.fd[0] : -1, POLLIN, 0}, {open_err ? err.fd[0] : -1, POLLIN, 0}};
    if (::poll(fds, 2, static_cast<int>(std::min<std::int64_t>(left, 1000))) < 0 && errno != EINTR) break;
    char block[65536];
    const auto take = [&](int which, std::string& into, bool& open, std::size_t most) {
      if (!(fds[which].revents & (POLLIN | POLLHUP | POLLERR))) return;
      const auto n = ::read(fds[which].fd, block, sizeof block);
      if (n <= 0)
        open = false;
      else if (into.size() < most)
        into.append(block, static_cast<std::size_t>(n));
    };
    take(0, done.out, open_out, kMostOut + 1);
    take(1, done.err, open_err, kMostErr);
  }
  if (done.late) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-pid, SIGKILL);  // helpers that outlived git
  done.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return done;
}

Result<Checkout> Git::fetch(const Target& target, const std::optional<GitLogin>& login, const std::string& branch, const std::string& tag,
                            const std::function<bool(const std::string&)>& wanted, const std::string& commit_id) {
  struct Turn {
    std::atomic<int>& running;
    const int before = running.fetch_add(1);
    ~Turn() { --running; }
  } turn{running_};
  if (turn.before >= limits_.at_once) return refuse(Errc::busy, "Too many Git operations run at the moment. Try again later.");
  const auto deadline = Clock::now() + limits_.patience;
  std::filesystem::path home = std::filesystem::path(spool_) / ("git-" + new_hex(8));
  std::filesystem::create_directories(home);
  Checkout out(home);
  const auto ran = [&](const std::vector<std::string>& arguments, const Target* to = nullptr) {
    return run(home, arguments, to, to ? login : std::nullopt, deadline);
  };
  if (const auto made = ran({"init", "--bare", "--quiet", "--template=", (home / "git").string()}); made.code != 0) {
    spdlog::error("git cannot be used code={} says={}", made.code, made.err.substr(0, 300));
    return refuse(Errc::unavailable, made.code == 127 ? "This server has no git program" : "This server's git cannot be used");
  }
  std::string ref = tag.empty() ? "refs/heads/" + branch : "refs/tags/" + tag;
  out.branch = tag.empty() ? branch : "";
  if (!commit_id.empty()) {
    if (commit_id.size() != 40 || commit_id.find_first_not_of("0123456789abcdef") != commit_id.npos)
      return refuse(Errc::invalid, "A commit is named by its 40 hexadecimal digits");
    ref = commit_id;
    out.branch.clear();
  } else if (branch.empty() && tag.empty()) {
    const auto head = ran({"ls-remote", "--symref", "--", target.url, "HEAD"}, &target);
    if (head.code != 0) return fail(remote_error(head.err, head.late, login.has_value(), "HEAD"));
    const auto at = head.out.find("ref: refs/heads/");
    if (at == std::string::npos) {
      if (!head.out.empty()) return refuse(Errc::remote_refused, "The remote Git repository has no default branch. Name a branch.");
      return out;  // nothing was ever committed there
    }
    out.branch = head.out.substr(at + 16, head.out.find_first_of("\t\n", at) - at - 16);
    if (!valid_ref(out.branch)) return refuse(Errc::remote_refused, "The remote Git repository's default branch has a name that is none.");
    ref = "refs/heads/" + out.branch;
  }
  const auto fetched = ran({"fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--", target.url,
                            "+" + ref + ":refs/tarn/it"},
                           &target);
  if (fetched.code != 0)
    return fail(remote_error(fetched.err, fetched.late, login.has_value(),
                             !commit_id.empty() ? "Commit " + commit_id
                             : tag.empty()      ? "Branch " + branch
                                                : "Tag " + tag));
  const auto commit = ran({"rev-parse", "--verify", "refs/tarn/it^{commit}"});
  if (commit.code != 0 || commit.out.size() < 40) return refuse(Errc::remote_refused, "The branch or tag is no commit.");
  out.commit = commit.out.substr(0, commit.out.find('\n'));
  const auto tree = ran({"ls-tree", "-r", "-l", "-z", out.commit});
  if (tree.code != 0 || tree.late) return refuse(Errc::too_large, "The repository's tree cannot be read: it has too many files.");

  std::uint64_t total = 0;
  std::ofstream names(home / "objects", std::ios::binary);
  for (std::string_view rest = tree.out; !rest.empty();) {
    const auto end = rest.find('\0');
    std::string_view line = rest.substr(0, end);  // MODE TYPE OBJECT SIZE\tPATH
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    const auto tab = line.find('\t');
    if (tab == line.npos || !line.starts_with("100")) continue;  // links and submodules are not ours to follow
    std::vector<std::string> words;
    for (std::string_view head = line.substr(0, tab); !head.empty();) {
      const auto blank = head.find(' ');
      if (blank != 0) words.emplace_back(head.substr(0, blank));
      head = blank == head.npos ? std::string_view() : head.substr(blank + 1);
    }
    TreeFile file{.path = std::string(line.substr(tab + 1))};
    if (words.size() != 4 || words[1] != "blob" || !wanted(file.path)) continue;
    file.object = words[2];
    std::from_chars(words[3].data(), words[3].data() + words[3].size(), file.size);
    total += file.size;
    names << file.object << "\n";
    out.files.push_back(std::move(file));
    if (out.files.size() > limits_.files || total > limits_.bytes)
      return refuse(Errc::too_large,
                    fmt::format("The repository has more than {} files or {} bytes. Use a sparse checkout.", limits_.files, limits_.bytes));
  }
  names.close();
  const auto content = run(home, {"cat-file", "--batch"}, nullptr, std::nullopt, deadline, (home / "objects").string(), (home / "content").string());
  if (content.code != 0) return refuse(content.late ? Errc::unavailable : Errc::remote_refused, "The repository's files cannot be read.");
  std::uint64_t at = 0;
  for (auto& f : out.files) {
    at += f.object.size() + std::string_view(" blob ").size() + std::to_string(f.size).size() + 1;  // OBJECT blob SIZE\n, the bytes, \n
    f.offset = at;
    at += f.size + 1;
  }
  if (std::error_code ec; std::filesystem::file_size(home / "content", ec) != at || ec)
    return refuse(Errc::remote_refused, "The repository's files cannot be read.");
  return out;
}

}  // namespace tarn::repos
