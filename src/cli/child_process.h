#pragma once
// Children of the command line: a server that the demo starts, and Tarn's own verbs run as a person would run them.
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tarn::cli {

/// This very program's file.
std::string own_binary();

struct Finished {
  int exit_code = -1;
  std::string output;  // standard output; standard error goes to ours, or to a file
};
/// Runs a command to its end. `error_file`: where standard error goes (appended); empty: inherited.
Finished run_child(const std::vector<std::string>& command, const std::string& error_file = {});

/// A child that keeps running; its first line of standard output is its greeting. Ends with SIGTERM, then SIGKILL, in the destructor.
class Server {
 public:
  Server(const std::vector<std::string>& command, const std::string& error_file);
  Server(const Server&) = delete;
  ~Server();
  /// The first line, waited for until the deadline; nothing if the child ended or said none.
  std::optional<std::string> greeting(int seconds);
  pid_t pid() const { return pid_; }
  void stop();
  int wait();  // until it ends by itself

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace tarn::cli
