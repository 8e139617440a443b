// The sandbox's own side: a process without threads that leaves every namespace of the service, builds a root of its own, gives up its rights
// and becomes the init process of the command.
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "review/sandbox.h"

namespace tarn::review {
namespace {

namespace fs = std::filesystem;
constexpr int kSocket = 3;

[[noreturn]] void failed(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }
void must(long rc, const std::string& what) {
  if (rc < 0) failed(what);
}

SandboxRun receive() {
  std::string text;
  char block[8192];
  while (!text.ends_with('\0')) {  // JSON holds none
    const auto n = ::read(kSocket, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) throw std::runtime_error("the order was cut off");
    must(n, "reading the order");
    text.append(block, static_cast<std::size_t>(n));
  }
  text.pop_back();
  auto run = json::decode_text<SandboxRun>(text);
  if (!run) throw std::runtime_error("the order: " + run.error().message());
  return *std::move(run);
}

void put(const std::string& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  must(fd, file);
  const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!ok) failed(file);
}

void leave_namespaces() {
  const auto uid = ::geteuid(), gid = ::getegid();
  const bool root = uid == 0;
  must(::unshare((root ? 0 : CLONE_NEWUSER) | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
       "namespaces (a kernel without user namespaces for everybody wants the service to be root)");
  if (!root) {
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", fmt::format("{0} {0} 1", uid));
    put("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
  }
  must(::sethostname("sandbox", 7), "the host's name");
}

/// The only network: loopback, with one listening socket, which goes to the service.
void open_door() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd, "socket");
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");
  must(::ioctl(fd, SIOCGIFFLAGS, &lo), "loopback");
  lo.ifr_flags |= IFF_UP;
  must(::ioctl(fd, SIOCSIFFLAGS, &lo), "loopback");
  const sockaddr_in at{.sin_family = AF_INET, .sin_port = htons(kSandboxProxyPort), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  must(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), "the proxy's port");
  must(::listen(fd, 128), "the proxy's port");
  char byte = 'd';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  must(::sendmsg(kSocket, &message, MSG_NOSIGNAL), "handing over the proxy's port");
  ::close(fd);
  char go = 0;
  if (::read(kSocket, &go, 1) != 1) throw std::runtime_error("the service went away");
  ::close(kSocket);
}

void make_file(const std::string& path) {
  if (fs::exists(path)) return;  // within a mount that is there already
  fs::create_directories(fs::path(path).parent_path());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  must(fd, path);
  ::close(fd);
}

void mount_at(const std::string& source, const std::string& target, bool writable, bool devices = false) {
  struct stat info {};
  must(::stat(source.c_str(), &info), source);
  if (S_ISDIR(info.st_mode))
    fs::create_directories(target);
  else
    make_file(target);
  must(::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "mounting " + source);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | (devices ? 0 : MOUNT_ATTR_NODEV) | (writable ? 0 : MOUNT_ATTR_RDONLY);
  must(::syscall(SYS_mount_setattr, AT_FDCWD, target.c_str(), AT_RECURSIVE, &attributes, sizeof attributes), "restricting " + source);
}

void build_root(const SandboxRun& run) {
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private mounts");
  const std::string& root = run.root;
  must(::mount("tmpfs", root.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=755"), "the sandbox's root");
  for (const char* name : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"}) {
    std::error_code failure;
    const auto status = fs::symlink_status(name, failure);
    if (fs::is_symlink(status))
      fs::create_symlink(fs::read_symlink(name), root + name);
    else if (fs::is_directory(status))
      mount_at(name, root + name, false);
  }
  for (const char* name :
       {"/etc/ssl/certs", "/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/alternatives"})
    if (fs::exists(name)) mount_at(name, root + name, false);
  for (const char* name : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) mount_at(name, root + name, true, true);
  fs::create_symlink("/proc/self/fd", root + "/dev/fd");
  fs::create_directories(root + "/proc");
  must(::mount("proc", (root + "/proc").c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr), "/proc");
  fs::create_directories(root + "/tmp");
  const std::string size = fmt::format("size={}m,mode=1777", run.disk_mb);
  must(::mount("tmpfs", (root + "/tmp").c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()), "/tmp");
  std::ofstream(root + "/etc/hosts") << "127.0.0.1 localhost\n";
  for (const auto& m : run.mounts) mount_at(m.source, root + m.target, m.writable);
  must(::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr), "a read-only root");
  must(::chdir(root.c_str()), root);
  must(::syscall(SYS_pivot_root, ".", "."), "the new root");
  must(::umount2(".", MNT_DETACH), "the old root");
  must(::chdir("/"), "/");
}

void limit(__rlimit_resource resource, rlim_t value) {
  rlimit r{};
  if (::getrlimit(resource, &r) != 0) return;
  r.rlim_cur = r.rlim_max = std::min(value, r.rlim_max);
  ::setrlimit(resource, &r);
}

void give_up_rights(const SandboxRun& run) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 8192);
  limit(RLIMIT_FSIZE, static_cast<rlim_t>(run.file_mb) << 20);
  limit(RLIMIT_DATA, static_cast<rlim_t>(run.memory_mb) << 20);
  limit(RLIMIT_NPROC, 4096);
  for (int c = 0; c < 64; ++c) ::prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
  if (::geteuid() == 0) {
    const auto uid = static_cast<uid_t>(run.uid);
    const auto gid = static_cast<gid_t>(run.gid);
    must(::syscall(SYS_setgroups, 0, nullptr), "groups");
    must(::syscall(SYS_setresgid, gid, gid, gid), "the sandbox's group");
    must(::syscall(SYS_setresuid, uid, uid, uid), "the sandbox's user");
  }
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user clears it
}

/// A kernel is large: what plans never need is not offered to them.
void confine_calls() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (!filter) throw std::runtime_error("seccomp: no filter");
  const auto rule = [&](int bad) {
    if (bad && bad != -EFAULT) throw std::runtime_error(std::string("seccomp: ") + std::strerror(-bad));
  };
  for (const char* name : {"mount",
                           "umount2",
                           "move_mount",
                           "open_tree",
                           "fsopen",
                           "fsconfig",
                           "fsmount",
                           "fspick",
                           "mount_setattr",
                           "pivot_root",
                           "chroot",
                           "setns",
                           "unshare",
                           "bpf",
                           "perf_event_open",
                           "ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
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
                           "quotactl",
                           "acct",
                           "settimeofday",
                           "clock_settime",
                           "clock_adjtime",
                           "adjtimex",
                           "iopl",
                           "ioperm",
                           "syslog",
                           "mknod",
                           "mknodat",
                           "vhangup",
                           "lookup_dcookie"})
    if (const int call = seccomp_syscall_resolve_name(name); call != __NR_SCMP_ERROR) rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0));
  // clone3's flags are behind a pointer; without it programs fall back to clone, whose flags can be looked at: no namespaces.
  rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
  for (const std::uint64_t flag : {0x00020000ull, 0x02000000ull, 0x04000000ull, 0x08000000ull, 0x10000000ull, 0x20000000ull, 0x40000000ull})
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)));
  // No raw packets, no kernel crypto, no door to the hypervisor (AF_PACKET, AF_ALG, AF_VSOCK, AF_XDP).
  for (const scmp_datum_t family : {17, 38, 40, 44})
    rule(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family)));
  const int loaded = seccomp_load(filter);
  seccomp_release(filter);
  if (loaded) throw std::runtime_error(std::string("seccomp: ") + std::strerror(-loaded));
}

[[noreturn]] void become_command(const SandboxRun& run) {
  std::vector<char*> argv, envp;
  for (const auto& a : run.command) argv.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : run.environment) envp.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  if (::chdir(run.folder.c_str()) != 0) {
    fmt::print(stderr, "sandbox: {}: {}\n", run.folder, std::strerror(errno));
    ::_exit(kSandboxFailed);
  }
  ::execvpe(argv[0], argv.data(), envp.data());
  fmt::print(stderr, "sandbox: cannot run '{}': {}\n", run.command[0], std::strerror(errno));
  ::_exit(127);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// Process 1 of the sandbox: takes in orphans, ends with the command (and the kernel ends what is left).
int be_init(const SandboxRun& run) {
  build_root(run);
  give_up_rights(run);
  confine_calls();
  for (const auto& e : run.environment)
    if (e.starts_with("PATH=")) ::setenv("PATH", e.c_str() + 5, 1);  // execvpe looks here
  const pid_t command = ::fork();
  must(command, "fork");
  if (command == 0) become_command(run);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == command) return code_of(status);
    if (ended < 0 && errno != EINTR) return kSandboxFailed;
  }
}

}  // namespace

int sandbox_main(int, char**) {
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == 1) return kSandboxFailed;
    const auto run = receive();
    if (run.command.empty()) throw std::runtime_error("no command");
    ::umask(022);
    leave_namespaces();
    open_door();
    const pid_t init = ::fork();
    must(init, "fork");
    if (init == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      int code = kSandboxFailed;
      try {
        code = be_init(run);
      } catch (const std::exception& e) {
        fmt::print(stderr, "sandbox: {}\n", e.what());
      }
      std::fflush(nullptr);
      ::_exit(code);
    }
    int status = 0;
    while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
    }
    return code_of(status);
  } catch (const std::exception& e) {
    fmt::print(stderr, "sandbox: {}\n", e.what());
    return kSandboxFailed;
  }
}

}  // namespace tarn::review
