#pragma once
// What the process may never do, whatever its SQL says. All of it is inherited by threads made afterwards, so it is applied while there is one.
#include <string>
#include <vector>

#include "engine/messages.h"

namespace tarn::engine::child {

/// First thing in main: die with the pool's process, no new privileges, no core dump, not traceable, first choice of the kernel's memory killer,
/// no descriptor but 0-2 and the socket. False if the parent is already gone.
bool harden_process(int parent_pid, int socket_fd);

/// The same for any child of the server: what it may open and start. Folders (and single files) must exist.
struct Confinement {
  std::vector<std::string> readable{}, writable{}, executable{};
  unsigned run_as_uid = 0;          // 0: the user that it is
  bool may_start_programs = false;  // execve, of what is executable; for a launcher that becomes what it launches
  bool may_fork = false;
  bool own_network = false;  // own_network() was called: sockets are of that alone
};
std::string confine(const Confinement& c);

/// A network of its own with nothing but loopback, which everything that this process becomes stays in. Throws std::runtime_error where the machine
/// gives none.
void own_network();
/// No capability, and none to be had again: root is a user like any other.
void drop_capabilities();

/// When the scope is known and DuckDB is open: the user, the folders (Landlock, where the kernel has it) and the system calls (seccomp).
/// Returns what is in force, for the log ("landlock7 seccomp"); throws std::runtime_error if a step that the kernel offers fails.
std::string confine(const Settings& settings, const Scope& scope);

}  // namespace tarn::engine::child
