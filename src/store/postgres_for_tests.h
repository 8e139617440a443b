#pragma once
// A PostgreSQL server of a test's own: a fresh cluster in a temporary folder, on a Unix socket only, ended by its process id.
// initdb refuses root, so as root it runs as the user `postgres` that Debian's package made.
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/postgres_connection.h"

namespace tarn::store {

class PostgresForTests {
 public:
  PostgresForTests() {
    std::string pattern = "/tmp/tarn-pg-XXXXXX";  // short: socket paths have a limit of 107 bytes
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    if (::geteuid() == 0) {
      const passwd* user = ::getpwnam("postgres");
      if (!user || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("no user postgres: install postgresql-15");
    }
    if (wait(spawn({"initdb", "-D", folder_ + "/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"})) != 0)
      throw std::runtime_error("initdb failed, see " + folder_ + "/log");
    start();
  }
  PostgresForTests(const PostgresForTests&) = delete;
  ~PostgresForTests() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void start() {
    pid_ = spawn({"postgres", "-D", folder_ + "/data", "-k", folder_, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"});
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);;) {
      try {
        PostgresConnection probe(url());
        return;
      } catch (const StoreUnavailable&) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_ || std::chrono::steady_clock::now() > end) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
  /// At once, as a crash would.
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGQUIT);
    wait(std::exchange(pid_, 0));
  }

  /// A URL of a schema of its own: as good as an empty database, and quicker.
  std::string fresh_url() {
    const std::string name = "t" + std::to_string(++schemas_);
    PostgresConnection(url()).run("CREATE SCHEMA " + name);
    return url() + "&options=-csearch_path%3D" + name;
  }
  std::string url() const { return "postgresql:///postgres?user=postgres&host=" + folder_; }

 private:
  pid_t spawn(std::vector<std::string> command) {
    command[0] = "/usr/lib/postgresql/15/bin/" + command[0];
    if (::geteuid() == 0) {
      const std::vector<std::string> as_user{"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"};
      command.insert(command.begin(), as_user.begin(), as_user.end());
    }
    std::vector<char*> argv;
    for (auto& a : command) argv.push_back(a.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    const std::string log = folder_ + "/log";
    ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::posix_spawn_file_actions_adddup2(&files, 1, 2);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (failed) throw std::runtime_error(command[0] + ": " + std::strerror(failed));
    return pid;
  }
  static int wait(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  std::string folder_;
  pid_t pid_ = 0;
  int schemas_ = 0;
};

/// The one server of this test program, started when first asked for.
inline PostgresForTests& postgres_for_tests() {
  static PostgresForTests server;
  return server;
}

}  // namespace tarn::store
