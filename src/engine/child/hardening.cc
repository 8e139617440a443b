#include "engine/child/hardening.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tarn::engine::child {
namespace {

[[noreturn]] void failed(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

constexpr std::uint64_t read_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

// Rights that newer kernels know; Debian 12's header ends at ABI 2 or 3.
constexpr std::uint64_t right_refer = 1ull << 13, right_truncate = 1ull << 14, right_ioctl = 1ull << 15;

struct LandlockRuleset {  // struct landlock_ruleset_attr as of ABI 6; shorter kernels are given a shorter size
  std::uint64_t fs, net, scoped;
};

void allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  struct stat found {};
  if (fd < 0 || ::fstat(fd, &found) != 0) failed(path);
  if (!S_ISDIR(found.st_mode)) rights &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = fd;
  const auto bad = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  ::close(fd);
  if (bad) failed("landlock rule for " + path);
}

int confine_files(const Confinement& c) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return 0;
  std::uint64_t all = (1ull << 13) - 1;
  if (abi >= 2) all |= right_refer;
  if (abi >= 3) all |= right_truncate;
  if (abi >= 5) all |= right_ioctl;
  LandlockRuleset attributes{all, abi >= 4 && !c.own_network ? 3ull : 0, abi >= 6 ? 3ull : 0};  // bind and connect; abstract sockets and signals
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
  if (ruleset < 0) failed("landlock");
  for (const auto& directory : c.readable) allow(ruleset, directory, read_rights);
  for (const auto& directory : c.executable) allow(ruleset, directory, read_rights | LANDLOCK_ACCESS_FS_EXECUTE);
  std::uint64_t write = read_rights | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG;
  if (abi >= 2) write |= right_refer;
  if (abi >= 3) write |= right_truncate;
  for (const auto& directory : c.writable) allow(ruleset, directory, write);
  if (::syscall(SYS_landlock_restrict_self, ruleset, 0)) failed("landlock");
  ::close(ruleset);
  return static_cast<int>(abi);
}

void confine_calls(const Confinement& c) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (!filter) throw std::runtime_error("seccomp: no filter");
  const auto deny = [&](int call, std::uint32_t action) {
    if (call == __NR_SCMP_ERROR) return;
    if (const int bad = seccomp_rule_add(filter, action, call, 0); bad && bad != -EFAULT) {
      seccomp_release(filter);
      throw std::runtime_error("seccomp: " + std::string(std::strerror(-bad)));
    }
  };
  if (!c.own_network)
    for (const char* name : {"socket", "connect", "bind", "listen", "accept", "accept4"})
      deny(seccomp_syscall_resolve_name(name), SCMP_ACT_ERRNO(EPERM));
  for (const char* name : {"ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "kill",
                           "tkill",
                           "rt_sigqueueinfo",
                           "pidfd_open",
                           "pidfd_getfd",
                           "pidfd_send_signal",
                           "mount",
                           "umount2",
                           "move_mount",
                           "open_tree",
                           "fsopen",
                           "fsconfig",
                           "fsmount",
                           "pivot_root",
                           "chroot",
                           "setns",
                           "unshare",
                           "bpf",
                           "perf_event_open",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "init_module",
                           "finit_module",
                           "delete_module",
                           "kexec_load",
                           "kexec_file_load",
                           "reboot",
                           "swapon",
                           "swapoff",
                           "userfaultfd",
                           "io_uring_setup",
                           "io_uring_enter",
                           "io_uring_register",
                           "open_by_handle_at",
                           "name_to_handle_at",
                           "personality",
                           "quotactl",
                           "acct",
                           "settimeofday",
                           "clock_settime",
                           "clock_adjtime",
                           "adjtimex",
                           "sethostname",
                           "setdomainname",
                           "iopl",
                           "ioperm",
                           "syslog",
                           "setuid",
                           "setgid",
                           "setreuid",
                           "setregid",
                           "setresuid",
                           "setresgid",
                           "setgroups",
                           "capset",
                           "mknod",
                           "mknodat",
                           "symlink",
                           "symlinkat",
                           "link",
                           "linkat",
                           "chown",
                           "fchown",
                           "lchown",
                           "fchownat",
                           "chmod",
                           "fchmodat"})
    deny(seccomp_syscall_resolve_name(name), SCMP_ACT_ERRNO(EPERM));
  if (!c.may_start_programs)
    for (const char* name : {"execve", "execveat"}) deny(seccomp_syscall_resolve_name(name), SCMP_ACT_ERRNO(EPERM));
  if (!c.may_fork)
    for (const char* name : {"fork", "vfork"}) deny(seccomp_syscall_resolve_name(name), SCMP_ACT_ERRNO(EPERM));
  // clone3's flags are behind a pointer; without it glibc falls back to clone, whose flags can be looked at: threads only.
  deny(SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS));
  constexpr std::uint64_t clone_thread = 0x00010000;
  const int bad = c.may_fork ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, clone_thread, 0));
  const int loaded = bad ? bad : seccomp_load(filter);
  seccomp_release(filter);
  if (loaded) throw std::runtime_error("seccomp: " + std::string(std::strerror(-loaded)));
}

void limit(int resource, rlim_t value) {
  rlimit r{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &r) == 0) {
    r.rlim_cur = r.rlim_max = std::min(value, r.rlim_max);
    ::setrlimit(static_cast<__rlimit_resource>(resource), &r);
  }
}

}  // namespace

bool harden_process(int parent_pid, int socket_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (parent_pid > 0 && ::getppid() != parent_pid) return false;
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_NAME, "tarn-engine");
  if (socket_fd > 3) ::close_range(3, static_cast<unsigned>(socket_fd) - 1, 0);
  ::close_range(static_cast<unsigned>(socket_fd) + 1, ~0u, 0);
  if (const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    [[maybe_unused]] auto n = ::write(fd, "800", 3);
    ::close(fd);
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 4096);
  ::signal(SIGPIPE, SIG_IGN);
  return true;
}

void own_network() {
  if (::unshare((::geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET | CLONE_NEWIPC) != 0) failed("a network of its own");
  const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) failed("a socket of its own network");
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  const bool up = ::ioctl(s, SIOCGIFFLAGS, &loopback) == 0 && (loopback.ifr_flags |= IFF_UP, ::ioctl(s, SIOCSIFFLAGS, &loopback) == 0);
  ::close(s);
  if (!up) failed("the loopback of its own network");
}

void drop_capabilities() {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  if (::syscall(SYS_capset, &head, none) != 0) failed("dropping its capabilities");
}

std::string confine(const Confinement& c) {
  if (c.run_as_uid != 0 && ::geteuid() == 0) {
    const auto id = c.run_as_uid;
    if (::syscall(SYS_setgroups, 0, nullptr) || ::syscall(SYS_setresgid, id, id, id) || ::syscall(SYS_setresuid, id, id, id))
      failed("changing to its user");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user clears it
  }
  const int abi = confine_files(c);
  confine_calls(c);
  return (abi ? fmt::format("landlock{} ", abi) : std::string("no-landlock ")) + "seccomp";
}

std::string confine(const Settings& settings, const Scope& scope) {
  Confinement c{.readable = scope.directories, .writable = scope.writable, .run_as_uid = settings.run_as_uid};
  if (!settings.spill_directory.empty()) c.writable.push_back(settings.spill_directory);
  return confine(c);
}

}  // namespace tarn::engine::child
