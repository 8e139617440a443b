#include "network/namespaces.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/json_read.h"

namespace tarn::network {
namespace {

namespace fs = std::filesystem;
const std::string kFolder = "/run/netns";
constexpr std::size_t kMostLinks = 4096;  // each has a /30 of 169.254.0.0/16, and costs the kernel time

/// A descriptor that is closed.
struct Held {
  int fd = -1;
  explicit Held(int f) : fd(f) {}
  Held(const Held&) = delete;
  ~Held() {
    if (fd >= 0) ::close(fd);
  }
};

/// Runs a command with `input` on its standard input, in the calling thread's network namespace. The error is what it said.
Expected<void, std::string> feed(std::vector<std::string> command, const std::string& input) {
  Held in(::memfd_create("input", MFD_CLOEXEC)), said(::memfd_create("said", MFD_CLOEXEC));
  if (in.fd < 0 || said.fd < 0 || ::write(in.fd, input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
      ::lseek(in.fd, 0, SEEK_SET) != 0)
    return fail(std::string("no memory for a command's input: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fd, 0);
  posix_spawn_file_actions_adddup2(&actions, said.fd, 1);
  posix_spawn_file_actions_adddup2(&actions, said.fd, 2);
  std::vector<char*> argv;
  for (auto& a : command) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};
  pid_t pid = -1;
  // By PATH of ours: the tools live in sbin, which a user's PATH often lacks.
  int rc = ENOENT;
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    rc = ::posix_spawn(&pid, (folder + command.front()).c_str(), &actions, nullptr, argv.data(), environment);
    if (rc != ENOENT) break;
  }
  posix_spawn_file_actions_destroy(&actions);
  if (rc == ENOENT) return fail(command.front() + " is not installed (Debian packages iproute2 and nftables)");
  if (rc != 0) return fail(fmt::format("cannot start {}: {}", command.front(), std::strerror(rc)));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::string text(4096, '\0');
  const auto n = ::pread(said.fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return fail(fmt::format("{} failed: {}", fmt::join(command, " "), text.empty() ? "it said nothing" : text));
}

std::string lines(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& l : all) out += l + "\n";
  return out;
}

void set(const std::string& path, std::string_view value) {
  std::ofstream out("/proc/sys/net/" + path);
  out << value << std::flush;
  if (!out && !path.starts_with("ipv6/")) throw std::runtime_error("cannot set /proc/sys/net/" + path);
}

/// Before any interface is there, so that each begins with these.
void prepare_namespace(bool forwards) {
  for (const char* which : {"all", "default"}) {
    // Answers may come in by another interface than packets leave by; the routers are the ones that decide.
    set(fmt::format("ipv4/conf/{}/rp_filter", which), "0");
    set(fmt::format("ipv4/conf/{}/send_redirects", which), "0");
    set(fmt::format("ipv4/conf/{}/accept_redirects", which), "0");
    if (fs::exists("/proc/sys/net/ipv6/conf")) set(fmt::format("ipv6/conf/{}/disable_ipv6", which), "1");
  }
  set("ipv4/ip_forward", forwards ? "1" : "0");
}

/// Waits until every interface of the calling thread's namespace carries packets: the kernel activates a link a moment after both of its
/// ends are up, and until then swallows what is sent over it.
Expected<void, std::string> wait_for_links(std::chrono::steady_clock::time_point deadline) {
  const Held any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  while (true) {
    std::string waiting;
    if (auto* all = ::if_nameindex()) {
      for (auto* i = all; i->if_index; ++i) {
        ifreq r{};
        std::strncpy(r.ifr_name, i->if_name, sizeof r.ifr_name - 1);
        if (::ioctl(any.fd, SIOCGIFFLAGS, &r) != 0 || !(r.ifr_flags & IFF_RUNNING)) waiting = i->if_name;
      }
      ::if_freenameindex(all);
    }
    if (waiting.empty()) return {};
    if (std::chrono::steady_clock::now() > deadline) return fail(fmt::format("link {} does not come up", waiting));
    ::poll(nullptr, 0, 2);
  }
}

Expected<void, std::string> may() {
  if (::geteuid() != 0) return fail(std::string("network namespaces need root"));
  return {};
}

}  // namespace

Expected<void, std::string> in_namespace(const std::string& name, const std::function<void()>& work) {
  const Held target(::open((kFolder + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (target.fd < 0) return fail(fmt::format("there is no network namespace {}: {}", name, std::strerror(errno)));
  int error = 0;
  std::exception_ptr thrown;
  // A thread's namespace is its own: nothing else of this process moves.
  std::jthread([&] {
    if (::setns(target.fd, CLONE_NEWNET) != 0) {
      error = errno;
      return;
    }
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (error) return fail(fmt::format("cannot enter the network namespace {}: {}", name, std::strerror(error)));
  if (thrown) std::rethrow_exception(thrown);
  return {};
}

Namespaces::Namespaces(std::string name, std::string run) : name_(std::move(name)), run_(std::move(run)) {}

bool Namespaces::good_name(const std::string& name) {
  return !name.empty() && name.size() <= 12 && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == name.npos;
}

Expected<void, std::string> Namespaces::usable() const {
  if (!good_name(name_)) return fail(fmt::format("'{}' is not a network's name: 1 to 12 small letters and digits", name_));
  TARN_CHECK(may());
  std::error_code ec;
  fs::create_directories(run_, ec);
  if (ec) return fail(fmt::format("cannot make {}: {}", run_, ec.message()));
  return {};
}

std::vector<std::string> Namespaces::present() const {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& e : fs::directory_iterator(kFolder, ec))
    if (const auto name = e.path().filename().string(); name.starts_with(prefix())) out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}

/// Links first: a namespace that a process still lives in goes on without them.
int Namespaces::clear() const {
  ::unlink(state_file().c_str());
  const auto all = present();
  for (const auto& name : all) {
    const auto kind = name.substr(prefix().size());
    if (kind != "net" && !kind.starts_with("vpc-")) continue;  // every link has an end in one of these
    // A namespace whose making was cut short cannot be entered; it holds nothing.
    (void)in_namespace(name, [] {
      std::string batch;
      if (auto* all_interfaces = ::if_nameindex()) {
        for (auto* i = all_interfaces; i->if_index; ++i)
          if (std::string_view(i->if_name) != "lo") batch += fmt::format("link del {}\n", i->if_name);
        ::if_freenameindex(all_interfaces);
      }
      if (!batch.empty()) (void)feed({"ip", "-force", "-batch", "-"}, batch);
    });
  }
  for (const auto& name : all) {
    const auto path = kFolder + "/" + name;
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
  }
  return static_cast<int>(all.size());
}

Expected<void, std::string> Namespaces::build(const Realisation& plan) const {
  std::vector<std::string> makes, links;
  for (const auto& n : plan.namespaces) makes.push_back("netns add " + full(n.name));
  TARN_CHECK(feed({"ip", "-batch", "-"}, lines(makes)));
  const auto inside = [&](const NamespacePlan& n, const std::function<Expected<void, std::string>()>& work) -> Expected<void, std::string> {
    Expected<void, std::string> done;
    try {
      TARN_CHECK(in_namespace(full(n.name), [&] { done = work(); }));
    } catch (const std::exception& e) {
      return fail(std::string(e.what()));
    }
    if (!done) return fail(n.name + ": " + done.error());
    return {};
  };
  for (const auto& n : plan.namespaces)
    TARN_CHECK(inside(n, [&]() -> Expected<void, std::string> {
      prepare_namespace(n.forwards);
      return n.rules.empty() ? Expected<void, std::string>() : feed({"nft", "-f", "-"}, n.rules);
    }));
  // Both ends are born in their namespaces: nothing ever shows in the host's.
  for (const auto& l : plan.links)
    links.push_back(fmt::format("link add {} netns {} type veth peer name {} netns {}", l.a_interface, full(l.a), l.b_interface, full(l.b)));
  TARN_CHECK(feed({"ip", "-batch", "-"}, lines(links)));
  for (const auto& n : plan.namespaces) TARN_CHECK(inside(n, [&] { return feed({"ip", "-batch", "-"}, lines(n.addresses) + lines(n.routes)); }));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (const auto& n : plan.namespaces) TARN_CHECK(inside(n, [&] { return wait_for_links(deadline); }));
  return {};
}

// The lock is left open in the commands that are run: if this process is killed, the lock lasts until its last command has ended, so nobody
// clears away while one of them still builds.
Expected<bool, std::string> Namespaces::up(const Realisation& plan) {
  TARN_CHECK(usable());
  if (plan.links.size() > kMostLinks)
    return fail(fmt::format("a network of {} links is too large to build here: at most {}", plan.links.size(), kMostLinks));
  const Held lock(::open((run_ + "/" + name_ + ".lock").c_str(), O_RDWR | O_CREAT, 0600));
  if (lock.fd < 0 || ::flock(lock.fd, LOCK_EX) != 0) return fail(fmt::format("cannot lock {}/{}.lock", run_, name_));
  const auto now = status();
  if (now.state == State::up && now.digest == plan.digest() && now.namespaces.size() == plan.namespaces.size()) return false;
  clear();
  if (auto built = build(plan); !built) {
    clear();
    return fail(std::move(built).error());
  }
  // Last, and whole or not at all: who finds it finds a finished network.
  const auto next = state_file() + ".new";
  std::ofstream(next, std::ios::trunc) << boost::json::serialize(json::object{{"digest", plan.digest()}, {"namespaces", plan.namespaces.size()}})
                                       << "\n";
  std::error_code ec;
  fs::rename(next, state_file(), ec);
  if (ec) {
    clear();
    return fail(fmt::format("cannot write {}: {}", state_file(), ec.message()));
  }
  return true;
}

Expected<int, std::string> Namespaces::down() {
  TARN_CHECK(usable());
  const Held lock(::open((run_ + "/" + name_ + ".lock").c_str(), O_RDWR | O_CREAT, 0600));
  if (lock.fd < 0 || ::flock(lock.fd, LOCK_EX) != 0) return fail(fmt::format("cannot lock {}/{}.lock", run_, name_));
  ::unlink((state_file() + ".new").c_str());
  return clear();
}

Status Namespaces::status() const {
  Status out{.network = name_, .namespaces = present()};
  std::ifstream in(state_file());
  std::string text((std::istreambuf_iterator<char>(in)), {});
  std::int64_t expected = -1;
  if (const auto v = json::parse(text); v && v->is_object()) {
    out.digest = json::text_at(v->as_object(), "digest");
    if (const auto* n = v->as_object().if_contains("namespaces"); n && n->is_int64()) expected = n->as_int64();
  }
  out.state = out.namespaces.empty() && out.digest.empty()                   ? State::down
              : expected == static_cast<std::int64_t>(out.namespaces.size()) ? State::up
                                                                             : State::partial;
  std::map<std::pair<dev_t, ino_t>, std::string> known;
  for (const auto& name : out.namespaces) {
    struct stat s {};
    if (::stat((kFolder + "/" + name).c_str(), &s) == 0) known.emplace(std::pair(s.st_dev, s.st_ino), name);
  }
  std::error_code ec;
  for (const auto& e : fs::directory_iterator("/proc", ec)) {
    const auto entry = e.path().filename().string();
    int pid = 0;
    if (const auto [end, bad] = std::from_chars(entry.data(), entry.data() + entry.size(), pid); bad != std::errc() || *end) continue;
    struct stat s {};
    if (::stat((e.path() / "ns/net").c_str(), &s) != 0) continue;
    const auto home = known.find({s.st_dev, s.st_ino});
    if (home == known.end()) continue;
    std::ifstream comm(e.path() / "comm");
    std::string program;
    std::getline(comm, program);
    out.residents.push_back({home->second, pid, program});
  }
  return out;
}

}  // namespace tarn::network
