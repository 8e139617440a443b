#include "serving/scorer.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/spawn.h"
#include "engine/child/hardening.h"

namespace tarn::serving {
namespace {

namespace fs = std::filesystem;

void put_u32(char* at, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(v >> (8 * i));
}
std::uint32_t get_u32(const char* at) {
  std::uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v |= static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  return v;
}

[[noreturn]] void scorer_gives_up(const std::string& why) {
  const auto text = frame(0, FrameKind::hello, boost::json::serialize(json::object{{"error", why}}));
  [[maybe_unused]] const auto n = ::write(3, text.data(), text.size());
  std::cerr << why << "\n";
  ::_exit(1);
}

uid_t scorer_user(const std::string& id) { return 2'100'000'000u + static_cast<uid_t>(std::hash<std::string>{}(id) % 40'000'000u); }

/// As root: a view of files of its own, with the order's folders under /mnt and an empty /tmp; no network.
void private_scorer_view(const ScorerOrder& o) {
  if (::unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) != 0)
    scorer_gives_up(std::string("cannot make namespaces: ") + std::strerror(errno));
  if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0)
    scorer_gives_up(std::string("cannot make mounts: ") + std::strerror(errno));
  for (const auto& [name, folder] : o.mounts) {
    const std::string to = "/mnt/" + name;
    std::error_code ignored;
    fs::create_directories(to, ignored);
    if (::mount(folder.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
        ::mount(nullptr, to.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, nullptr) != 0)
      scorer_gives_up(fmt::format("cannot show it the folder {}: {}", name, std::strerror(errno)));
  }
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=256m") != 0)
    scorer_gives_up(std::string("cannot make its /tmp: ") + std::strerror(errno));
}

}  // namespace

std::string frame(std::uint32_t id, FrameKind kind, std::string_view payload) {
  std::string out(kFrameHead, '\0');
  put_u32(out.data(), static_cast<std::uint32_t>(payload.size()));
  put_u32(out.data() + 4, id);
  out[8] = static_cast<char>(kind);
  out += payload;
  return out;
}

FrameHead frame_head(const char* bytes) { return {get_u32(bytes), get_u32(bytes + 4), static_cast<FrameKind>(bytes[8])}; }

Expected<ScorerProcess, std::string> start_scorer(const std::string& program, ScorerOrder order, const compute::NodeShare& share) {
  ScorerProcess out;
  if (order.isolate && ::geteuid() == 0) {
    std::vector<std::string> missing;
    out.groups = compute::node::make_groups(order.id, share, missing);
    for (const auto& g : out.groups) order.group_paths.push_back(g.path);
  }
  int talk[2] = {-1, -1}, said[2] = {-1, -1}, told[2] = {-1, -1};
  const auto give_up = [&](const std::string& what) {
    const std::string why = what + ": " + std::strerror(errno);
    for (const int fd : {talk[0], talk[1], said[0], said[1], told[0], told[1]})
      if (fd >= 0) ::close(fd);
    compute::node::remove_groups(out.groups);
    return fail(why);
  };
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) != 0 || ::pipe2(said, O_CLOEXEC) != 0 || ::pipe2(told, O_CLOEXEC) != 0)
    return give_up("cannot make its pipes");
  const auto pid = spawn({.program = program,
                          .arguments = {program, "scorer", std::to_string(::getpid())},
                          .environment = {},
                          .descriptors = {told[0], said[1], said[1], talk[1]},
                          .folder = {}});
  if (!pid) {
    errno = pid.error();
    return give_up("cannot start " + program);
  }
  out.pid = *pid;
  const auto text = json::encode_text(order);  // far below what a pipe holds
  [[maybe_unused]] const auto written = ::write(told[1], text.data(), text.size());
  for (const int fd : {talk[1], said[1], told[0], told[1]}) ::close(fd);
  ::fcntl(talk[0], F_SETFL, O_NONBLOCK);
  ::fcntl(said[0], F_SETFL, O_NONBLOCK);
  out.socket = talk[0];
  out.output = said[0];
  return out;
}

int scorer_main(int argc, char** argv) {
  std::ostringstream text;
  text << std::cin.rdbuf();
  const auto order = json::decode_text<ScorerOrder>(text.str());
  if (!order || order->command.empty()) return 2;
  const ScorerOrder& o = *order;
  if (!engine::child::harden_process(argc > 1 ? std::atoi(argv[1]) : 0, 3)) return 1;
  ::prctl(PR_SET_NAME, "tarn-scorer");
  for (const auto& path : o.group_paths) {
    std::ofstream procs(path + "/cgroup.procs");
    procs << "0" << std::flush;
  }
  const bool root = o.isolate && ::geteuid() == 0;
  engine::child::Confinement c{
      .readable = {"/usr", "/lib", "/etc", "/proc", "/sys", "/dev"}, .writable = {"/tmp"}, .may_start_programs = true, .may_fork = o.may_fork};
  std::vector<std::string> executable{"/usr", "/lib"};
  if (fs::exists("/lib64")) c.readable.push_back("/lib64"), executable.push_back("/lib64");
  if (root) {
    private_scorer_view(o);
    c.run_as_uid = scorer_user(o.id);
    c.readable.push_back("/mnt");
    executable.push_back("/mnt");
  } else {
    for (const auto& [name, folder] : o.mounts) c.readable.push_back(folder), executable.push_back(folder);
    if (o.memory_bytes > 0) {
      const rlimit most{static_cast<rlim_t>(o.memory_bytes) * 4,
                        static_cast<rlim_t>(o.memory_bytes) * 4};  // address space, of which far less is used
      ::setrlimit(RLIMIT_AS, &most);
    }
  }
  c.executable = executable;
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp", "TMPDIR=/tmp"};
  for (const auto& [name, value] : o.environment) environment.push_back(name + "=" + value);
  std::vector<std::string> command = o.command;
  if (!root)  // no mounts of its own: the folders by their real names
    for (auto& word : command)
      for (const auto& [name, folder] : o.mounts)
        if (const std::string mounted = "/mnt/" + name; word == mounted || word.starts_with(mounted + "/"))
          word = folder + word.substr(mounted.size());
  if (::chdir("/tmp") != 0) scorer_gives_up("cannot enter /tmp");
  try {
    std::cout << "confined: " << engine::child::confine(c) << (root ? " namespaces user" : "") << std::endl;
  } catch (const std::exception& e) {
    scorer_gives_up(std::string("cannot be confined: ") + e.what());
  }
  std::vector<char*> args, env;
  for (auto& a : command) args.push_back(a.data());
  args.push_back(nullptr);
  for (auto& e : environment) env.push_back(e.data());
  env.push_back(nullptr);
  ::execve(command[0].c_str(), args.data(), env.data());
  scorer_gives_up(fmt::format("cannot start {}: {}", command[0], std::strerror(errno)));
}

}  // namespace tarn::serving
