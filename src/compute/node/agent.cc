#include "compute/node/agent.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/ids.h"
#include "base/resources.h"
#include "compute/node/link.h"

namespace tarn::compute::node {
namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

volatile sig_atomic_t g_stop = 0;

struct Isolation {
  bool isolated = false;
  std::string summary;
  std::vector<std::string> held, missing;
  std::int64_t memory_bytes = 0;
  double cpus = 0;
  int pids = 0;
};
BOOST_DESCRIBE_STRUCT(Isolation, (), (isolated, summary, held, missing, memory_bytes, cpus, pids))

/// The reason of an early end, for the server that started us.
int give_up(const Order& o, const std::string& why) {
  std::ofstream(o.home + "/last-words", std::ios::trunc) << why << "\n";
  std::cerr << why << "\n";
  return 1;
}

/// A user of the instance's own: nobody else's files, nobody else's signals. By the instance's id, in a range that no distribution hands out.
uid_t user_of(const std::string& instance_id) { return 2'000'000'000u + static_cast<uid_t>(std::hash<std::string>{}(instance_id) % 100'000'000u); }

/// Several packages may share one folder (google): it is then a folder here, with links to what each has.
void link_entry(const fs::path& from, const std::string& to) {
  std::error_code ignored;
  if (!fs::is_symlink(to, ignored) && !fs::is_directory(to, ignored)) return fs::create_symlink(from, to, ignored);
  if (!fs::is_directory(from, ignored) || !fs::is_directory(to, ignored)) return;
  if (fs::is_symlink(to, ignored)) {
    const auto first = fs::read_symlink(to, ignored);
    fs::remove(to, ignored);
    fs::create_directory(to, ignored);
    for (const auto& entry : fs::directory_iterator(first, ignored)) link_entry(entry.path(), to + "/" + entry.path().filename().string());
  }
  for (const auto& entry : fs::directory_iterator(from, ignored)) link_entry(entry.path(), to + "/" + entry.path().filename().string());
}

/// Inside: folders that the packages are linked from, in one place on the interpreter's path.
void link_packages(const std::string& packages, const std::string& site) {
  std::error_code ignored;
  fs::create_directories(site, ignored);
  for (const auto& package : fs::directory_iterator(packages, ignored)) {
    if (!package.is_directory()) continue;
    const auto name = package.path().filename().string();
    // The pinned packages of the interpreter, by what the driver imports; others of the cache stay out.
    static const std::vector<std::string> wanted{"ipykernel-",
                                                 "jupyter_client-",
                                                 "comm-",
                                                 "ipython-",
                                                 "jupyter_core-",
                                                 "matplotlib-inline-",
                                                 "nest-asyncio2-",
                                                 "packaging-",
                                                 "python-dateutil-",
                                                 "pyzmq-",
                                                 "tornado-",
                                                 "traitlets-",
                                                 "typing_extensions-",
                                                 "ipython_pygments_lexers-",
                                                 "jedi-",
                                                 "pexpect-",
                                                 "platformdirs-",
                                                 "prompt_toolkit-",
                                                 "psutil-",
                                                 "Pygments-",
                                                 "stack-data-",
                                                 "asttokens-",
                                                 "executing-",
                                                 "parso-",
                                                 "ptyprocess-",
                                                 "wcwidth-",
                                                 "pure_eval-",
                                                 "six-",
                                                 "pysail-",
                                                 "pyspark-client-",
                                                 "pandas-",
                                                 "pytz-",
                                                 "tzdata-",
                                                 "protobuf-",
                                                 "zstandard-",
                                                 "numpy-",
                                                 "pyarrow-",
                                                 "grpcio-",
                                                 "grpcio-status-",
                                                 "googleapis-common-protos-",
                                                 "sqlglot-"};
    if (std::ranges::none_of(wanted, [&](const std::string& w) { return name.starts_with(w); })) continue;
    fs::path from = package.path();
    // A source archive holds one folder of its own name and version.
    if (name.starts_with("pyspark-client-")) from /= "pyspark_client-" + name.substr(15);
    for (const auto& entry : fs::directory_iterator(from, ignored)) link_entry(entry.path(), site + "/" + entry.path().filename().string());
  }
}

bool bind_folder(const std::string& from, const std::string& to, bool read_only) {
  std::error_code ignored;
  fs::create_directories(to, ignored);
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  return !read_only || ::mount(nullptr, to.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, nullptr) == 0;
}

constexpr const char* kTrusted = "/mnt/ca.pem";

/// In mounts of our own: the order's names are all that is resolved (no name server is asked), and the platform's authority is trusted beside the
/// machine's own ones.
bool own_names(const Order& o) {
  std::ofstream hosts("/mnt/hosts"), servers("/mnt/resolv.conf"), trusted(kTrusted);
  hosts << "127.0.0.1 localhost\n127.0.0.1 " << o.instance_id << "\n";
  for (const auto& [name, address] : o.names) hosts << address << " " << name << "\n";
  if (std::ifstream system("/etc/ssl/certs/ca-certificates.crt"); system) trusted << system.rdbuf();
  trusted << "\n" << o.authority << "\n";
  hosts.close(), servers.close(), trusted.close();
  std::error_code ignored;
  for (const char* file : {"hosts", "resolv.conf"})
    if (const auto there = std::string("/etc/") + file;
        fs::exists(there, ignored) && ::mount((std::string("/mnt/") + file).c_str(), there.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return false;
  return true;
}

struct ScriptFile {
  std::string file, name;
  bool global = false;
};
BOOST_DESCRIBE_STRUCT(ScriptFile, (), (file, name, global))

/// The init scripts by their files in the instance's folder, in the order in which they run.
std::vector<ScriptFile> script_names(const Order& o) {
  std::vector<ScriptFile> out;
  for (const auto& s : o.scripts) out.push_back({fmt::format(".init-{}.sh", out.size()), s.name, s.global});
  return out;
}

struct Paths {
  std::string home, driver, site, packages;

  /// The packages of runtimes for machine learning (MLflow, scikit-learn, …): an environment of its own, with its own numpy. Empty: not installed
  /// here.
  std::string ml() const {
    std::error_code ignored;
    for (const auto& version : fs::directory_iterator(packages + "/mlflow-venv/lib", ignored))
      if (fs::is_directory(version.path() / "site-packages", ignored)) return (version.path() / "site-packages").string();
    return "";
  }
};

/// In the child, as root, in mounts of its own: what the instance needs under /mnt, an empty /tmp, its own /proc.
std::optional<Paths> private_view(const Order& o) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return std::nullopt;
  [[maybe_unused]] const int named = ::sethostname(o.instance_id.data(), o.instance_id.size());
  if (::mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") != 0) return std::nullopt;
  const Paths p{"/mnt/home", "/mnt/driver/" + fs::path(o.driver).filename().string(), "/mnt/site", "/mnt/packages"};
  if (!bind_folder(o.home, p.home, false) || !bind_folder(fs::path(o.driver).parent_path().string(), "/mnt/driver", true) ||
      !bind_folder(o.packages, "/mnt/packages", true))
    return std::nullopt;
  link_packages("/mnt/packages", p.site);
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV,
              fmt::format("mode=1777,size={}", std::max<std::int64_t>(64ll << 20, o.share.memory_bytes / 2)).c_str()) != 0 ||
      ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return std::nullopt;
  if (!o.names.empty() && !own_names(o)) return std::nullopt;
  return p;
}

void set_limit(int what, std::uint64_t value) {
  rlimit l{};
  if (::getrlimit(static_cast<__rlimit_resource>(what), &l) != 0) return;
  l.rlim_cur = l.rlim_max = l.rlim_max == RLIM_INFINITY ? value : std::min<std::uint64_t>(value, l.rlim_max);
  ::setrlimit(static_cast<__rlimit_resource>(what), &l);
}

[[noreturn]] void run_driver(const Order& o, const Paths& p, int control, bool root, const Isolation& isolation) {
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_NOFILE, 4096);
  if (!root) {
    set_limit(RLIMIT_AS, static_cast<std::uint64_t>(o.share.memory_bytes) * 4);  // address space, of which an interpreter maps far more than it uses
    [[maybe_unused]] const int priority = ::setpriority(PRIO_PROCESS, 0, 10);
  }
  if (root) {
    const uid_t user = user_of(o.instance_id);
    if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(125);
  }
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::chdir(p.home.c_str()) != 0) ::_exit(124);
  std::vector<std::string> environment{"PATH=/usr/local/bin:/usr/bin:/bin",
                                       "LANG=C.UTF-8",
                                       "HOME=" + p.home,
                                       "TMPDIR=" + (root ? std::string("/tmp") : p.home),
                                       "PYTHONPATH=" + p.site + ":" + fs::path(p.driver).parent_path().string(),
                                       "PYTHONDONTWRITEBYTECODE=1",
                                       "IPYTHONDIR=" + p.home + "/.ipython",
                                       "TARN_PACKAGES=" + p.packages,
                                       "TARN_NODE_ISOLATION=" + json::encode_text(isolation),
                                       "DB_CLUSTER_ID=" + o.cluster_id,
                                       "TARN_NODE_ML=" + p.ml(),
                                       "TARN_NODE_ROLE=" + std::string(json::name_of(o.role)),
                                       "TARN_NODE_SCRIPTS=" + json::encode_text(script_names(o))};
  if (root && !o.names.empty())
    for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"})
      environment.push_back(std::string(name) + "=" + kTrusted);
  for (const auto& [name, value] : o.environment) environment.push_back(name + "=" + value);
  if (control != 3) {
    ::dup2(control, 3);
    ::close(control);
  } else {
    ::fcntl(3, F_SETFD, 0);
  }
  ::syscall(SYS_close_range, 4u, ~0u, 0u);
  std::string python = o.python, driver = p.driver;
  char* arguments[] = {python.data(), driver.data(), nullptr};
  std::vector<char*> envp;
  for (auto& e : environment) envp.push_back(e.data());
  envp.push_back(nullptr);
  ::execve(python.c_str(), arguments, envp.data());
  ::_exit(127);
}

/// The first process of the instance's own process namespace: reaps whatever the interpreter leaves, ends when the interpreter does.
int init_of(pid_t interpreter) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    if (pid == interpreter) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (pid < 0 && errno != EINTR) return 1;
  }
}

bool hand_over(int control, int fd) {
  char byte = 'C';
  iovec data{&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  auto* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  return ::sendmsg(control, &message, MSG_NOSIGNAL) == 1;
}

bool stop_asked() { return g_stop != 0; }

/// Keeps the driver connected until it ends, the lease is over, or we are told to stop. Why it ended.
std::string attend(const Order& o, int control, const std::vector<Group>& groups, pid_t init) {
  // Only this process knows its lease: who reads the order later, or the token on its way, cannot speak as this instance.
  Link link(
      {.relay = o.relay, .relay_name = o.relay_name, .authority = o.authority, .instance_id = o.instance_id, .token = o.token, .lease = new_hex(32)});
  bool attached = false, welcomed = false, driver_free = true;
  auto lost = Steady::now(), next_dial = lost, next_word = lost;
  while (!g_stop) {
    const auto now = Steady::now();
    if (!attached && driver_free && now >= next_dial) {
      const auto answer = link.dial(std::chrono::seconds(3), stop_asked);
      next_dial = Steady::now() + std::chrono::milliseconds(300);
      if (answer == Answer::refused) return welcomed ? "its cluster is forgotten" : link.why();
      if (answer == Answer::welcome) {
        welcomed = true;
        const int end = link.driver_end();
        const bool handed = end >= 0 && hand_over(control, end);
        if (end >= 0) ::close(end);
        if (!handed) return "the interpreter ended";
        attached = true;
        driver_free = false;
        next_word = Steady::now();
      } else if (Steady::now() - lost > std::chrono::seconds(welcomed ? o.lease_seconds : o.bootstrap_seconds)) {
        return (welcomed ? "its lease is over: " : "the relay could not be reached: ") + link.why();
      }
    }
    if (attached && now >= next_word) {
      const auto used = usage_of(groups, init);
      auto line = json::encode(used).as_object();
      line["type"] = "metrics";
      link.say(boost::json::serialize(line));
      next_word = now + std::chrono::seconds(std::max(1, o.metrics_seconds));
    }
    std::vector<pollfd> fds{{control, POLLIN, 0}};
    for (const auto& w : link.watched()) fds.push_back({w.fd, w.events, 0});
    const auto nap = attached ? next_word - now : std::chrono::duration_cast<Steady::duration>(std::chrono::milliseconds(100));
    ::poll(fds.data(), fds.size(),
           static_cast<int>(std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(nap).count() + 1)));
    if (attached && !link.carry()) {
      link.end();  // the driver reads the end, says so, and is given the next connection
      attached = false;
      lost = next_dial = Steady::now();
    }
    if (fds[0].revents == 0) continue;
    char byte = 0;
    const auto n = ::recv(control, &byte, 1, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return "the interpreter ended";
    if (n == 1 && byte == 'L') {
      driver_free = true;
      if (attached) {
        link.end();
        attached = false;
        lost = next_dial = Steady::now();
      }
    }
  }
  return "told to stop";
}

/// What an order of another machine leaves to this one.
bool complete(Order& o) {
  if (!o.home.empty()) return true;
  o.home = fs::temp_directory_path() / ("tarn-node-" + o.instance_id);
  std::error_code failure;
  fs::create_directories(o.home, failure);
  if (o.driver.empty()) o.driver = resources::shipped("src/compute/node/driver.py").string();
  if (o.packages.empty()) o.packages = resources::cache().string();
  if (o.python.empty()) o.python = "/usr/bin/python3";
  return !failure;
}

/// Before anything else is made: the network that all below live in.
std::optional<std::string> enter_network(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != name.npos || name.starts_with('.')) return "'" + name.substr(0, 64) + "' is not the name of a network namespace";
  const int fd = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  const bool in = fd >= 0 && ::setns(fd, CLONE_NEWNET) == 0;
  const int failure = errno;
  if (fd >= 0) ::close(fd);
  if (!in) return "cannot enter the network namespace " + name + ": " + std::strerror(failure);
  return std::nullopt;
}

}  // namespace

int node_main(int, char**) {
  std::ostringstream text;
  text << std::cin.rdbuf();
  auto order = json::decode_text<Order>(text.str());
  if (!order) {
    std::cerr << "no order on standard input: " << order.error().message() << "\n";
    return 2;
  }
  Order& o = *order;
  if (!complete(o)) {
    std::cerr << "cannot make the instance's folder " << o.home << "\n";
    return 2;
  }
  struct sigaction act {};
  act.sa_handler = [](int) { g_stop = 1; };
  ::sigaction(SIGTERM, &act, nullptr);
  ::sigaction(SIGINT, &act, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::umask(022);

  const bool root = o.isolate && ::geteuid() == 0;
  if (const auto why = enter_network(o.netns)) return give_up(o, *why);
  for (std::size_t i = 0; i < o.scripts.size(); ++i) {
    std::ofstream out(fmt::format("{}/.init-{}.sh", o.home, i), std::ios::trunc);
    out << o.scripts[i].content;
    if (!out.flush()) return give_up(o, "cannot write its init scripts");
  }
  Isolation isolation{.memory_bytes = o.share.memory_bytes, .cpus = o.share.cpus, .pids = o.share.pids};
  std::vector<Group> groups;
  if (root) {
    groups = make_groups(o.instance_id, o.share, isolation.missing);
    for (const auto& g : groups) isolation.held.push_back(fmt::format("cgroup {} {}", g.v2 ? "v2" : "v1", g.controller));
    for (const char* ns : {"pid", "mount", "ipc", "uts"}) isolation.held.push_back(std::string("namespace ") + ns);
    isolation.held.push_back(fmt::format("user {}", user_of(o.instance_id)));
    if (o.netns.empty())
      isolation.missing.push_back("network: the host's");
    else
      isolation.held.push_back("network namespace " + o.netns);
    if (std::ranges::any_of(groups, [](const Group& g) { return g.controller == "memory" && !g.v2; }))
      isolation.missing.push_back("disk: cgroup v1 cannot throttle buffered writes");
    isolation.isolated = groups.size() == 3;
    isolation.summary = isolation.isolated ? "isolated" : "partly isolated";
    std::error_code ignored;
    if (::chown(o.home.c_str(), user_of(o.instance_id), user_of(o.instance_id)) != 0)
      return give_up(o, "cannot hand its folder to the instance's user");
  } else {
    isolation.summary = "not isolated";
    isolation.held = {"address space limit", "low priority"};
    isolation.missing = {"memory, cpu, pids: not root, no control groups", "namespaces: not root", "user: this server's own"};
  }

  int control[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) return give_up(o, "cannot make a socket pair");
  if (root && ::unshare(CLONE_NEWPID) != 0) {
    remove_groups(groups);
    return give_up(o, std::string("cannot make a process namespace: ") + std::strerror(errno));
  }
  const pid_t init = ::fork();
  if (init < 0) {
    remove_groups(groups);
    return give_up(o, "cannot fork");
  }
  if (init == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    ::close(control[0]);
    ::setpgid(0, 0);
    Paths paths{o.home, o.driver, o.home + "/.site", o.packages};
    if (root) {
      join(groups);
      auto view = private_view(o);
      if (!view) {
        give_up(o, std::string("cannot make its own view of files: ") + std::strerror(errno));
        ::_exit(1);
      }
      paths = *view;
      const pid_t interpreter = ::fork();
      if (interpreter == 0) run_driver(o, paths, control[1], true, isolation);
      ::close(control[1]);
      ::_exit(interpreter < 0 ? 1 : init_of(interpreter));
    }
    link_packages(o.packages, paths.site);
    run_driver(o, paths, control[1], false, isolation);
  }
  ::close(control[1]);
  const std::string why = attend(o, control[0], groups, init);
  int status = 0;
  // An interpreter that ends by itself has its first process say how; a moment for that, then force.
  bool reaped = false;
  for (int i = 0; why == "the interpreter ended" && !reaped && i < 40; ++i) {
    reaped = ::waitpid(init, &status, WNOHANG) == init;
    if (!reaped) ::poll(nullptr, 0, 25);
  }
  // In the namespace all die with its first process; without one, the whole group is asked for, and the interpreter ends its own kernels.
  if (!reaped || !root) ::kill(root ? init : -init, SIGKILL);
  while (!reaped && ::waitpid(init, &status, 0) < 0 && errno == EINTR) {
  }
  remove_groups(groups);
  const bool asked = WIFEXITED(status) && WEXITSTATUS(status) == 0;  // the control plane's `end`
  if (why == "the interpreter ended" && !asked && !fs::exists(o.home + "/last-words"))
    std::ofstream(o.home + "/last-words", std::ios::trunc)
        << (WIFEXITED(status) ? fmt::format("the interpreter ended with {}", WEXITSTATUS(status)) : std::string("the interpreter was killed"))
        << "\n";
  std::cerr << "ends: " << why << "\n";
  const bool unreached = why.starts_with("the relay ");
  if (unreached) give_up(o, why);
  std::error_code ignored;
  if (asked || (why != "the interpreter ended" && !unreached)) fs::remove_all(o.home, ignored);
  return 0;
}

}  // namespace tarn::compute::node
