#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "compute/node/agent.h"

namespace tarn::compute::node {
namespace {

namespace fs = std::filesystem;

struct Hierarchy {
  std::string root;
  bool v2 = false;
};

bool put(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.flush();
  return static_cast<bool>(out);
}

std::string read_all(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream in(text);
  for (std::string w; in >> w;)
    if (w == word) return true;
  return false;
}

/// Where each controller lives: v1 mounts name theirs, a v2 mount lists its own in cgroup.controllers. A hybrid has both.
std::map<std::string, Hierarchy> controllers() {
  std::map<std::string, Hierarchy> out;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream in(line);
    std::string device, at, type, options;
    in >> device >> at >> type >> options;
    if (type == "cgroup2") {
      const auto held = read_all(at + "/cgroup.controllers");
      for (const char* c : {"memory", "cpu", "pids"})
        if (has_word(held, c) && !out.contains(c)) out[c] = {at, true};
    } else if (type == "cgroup") {
      std::ranges::replace(options, ',', ' ');
      for (const char* c : {"memory", "cpu", "pids"})
        if (has_word(options, c)) out[c] = {at, false};
    }
  }
  return out;
}

bool limit(const std::string& controller, const std::string& path, bool v2, const NodeShare& s) {
  const auto quota = static_cast<std::int64_t>(s.cpus * 100'000);
  if (controller == "memory") {
    if (v2) {
      put(path + "/memory.swap.max", "0");
      return put(path + "/memory.max", std::to_string(s.memory_bytes));
    }
    if (!put(path + "/memory.limit_in_bytes", std::to_string(s.memory_bytes))) return false;
    put(path + "/memory.memsw.limit_in_bytes", std::to_string(s.memory_bytes));  // not there without swap accounting
    return true;
  }
  if (controller == "cpu") {
    if (v2) {
      put(path + "/cpu.weight", std::to_string(std::clamp(s.cpu_weight / 10, 1, 10'000)));
      return put(path + "/cpu.max", fmt::format("{} 100000", quota));
    }
    return put(path + "/cpu.shares", std::to_string(std::max(2, s.cpu_weight))) && put(path + "/cpu.cfs_period_us", "100000") &&
           put(path + "/cpu.cfs_quota_us", std::to_string(quota));
  }
  return put(path + "/pids.max", std::to_string(s.pids));
}

}  // namespace

std::vector<Group> make_groups(const std::string& instance_id, const NodeShare& share, std::vector<std::string>& missing) {
  std::vector<Group> out;
  const auto found = controllers();
  for (const std::string name : {"memory", "cpu", "pids"}) {
    const auto i = found.find(name);
    if (i == found.end()) {
      missing.push_back(name + ": no control group hierarchy has it");
      continue;
    }
    const auto& [root, v2] = i->second;
    if (v2 && !has_word(read_all(root + "/cgroup.subtree_control"), name)) put(root + "/cgroup.subtree_control", "+" + name);
    const std::string path = root + "/tarn-" + instance_id;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
      missing.push_back(fmt::format("{}: {}: {}", name, path, std::strerror(errno)));
      continue;
    }
    if (!limit(name, path, v2, share)) {
      missing.push_back(fmt::format("{}: the limit could not be set in {}", name, path));
      ::rmdir(path.c_str());
      continue;
    }
    out.push_back({name, path, v2});
  }
  return out;
}

void join(const std::vector<Group>& groups) {
  for (const auto& g : groups) put(g.path + "/cgroup.procs", "0");
}

void remove_groups(const std::vector<Group>& groups) {
  for (int i = 0; i < 40; ++i) {
    bool left = false;
    for (const auto& g : groups) {
      if (::rmdir(g.path.c_str()) == 0 || errno == ENOENT) continue;
      left = true;
      if (g.v2) put(g.path + "/cgroup.kill", "1");
      std::istringstream in(read_all(g.path + "/cgroup.procs"));
      for (pid_t pid; in >> pid;)
        if (pid > 1 && pid != ::getpid()) ::kill(pid, SIGKILL);
    }
    if (!left) return;
    ::poll(nullptr, 0, 50);
  }
}

void sweep_cgroups() {
  std::set<std::string> roots;
  for (const auto& [name, h] : controllers()) roots.insert(h.root);
  std::error_code ignored;
  for (const auto& root : roots)
    for (const auto& entry : fs::directory_iterator(root, ignored))
      if (entry.path().filename().string().starts_with("tarn-i-") || entry.path().filename().string().starts_with("tarn-s-"))
        ::rmdir(entry.path().c_str());  // fails, and rightly, while anything is in it
}

ServerGroup::ServerGroup(std::string name, int cpu_weight) : weight_(cpu_weight) {
  const auto found = controllers();
  const auto cpu = found.find("cpu");
  if (::geteuid() != 0 || cpu == found.end()) return;
  v2_ = cpu->second.v2;
  const auto& root = cpu->second.root;
  if (v2_ && !has_word(read_all(root + "/cgroup.subtree_control"), "cpu")) put(root + "/cgroup.subtree_control", "+cpu");
  path_ = root + "/tarn-s-" + name;
}

ServerGroup::~ServerGroup() {
  for (int i = 0; !path_.empty() && ::rmdir(path_.c_str()) != 0 && errno == EBUSY && i < 20; ++i) ::poll(nullptr, 0, 50);
}

void ServerGroup::join(int pid) const {
  if (path_.empty()) return;
  // Made when it is needed: another server that starts sweeps what is empty.
  if (::mkdir(path_.c_str(), 0755) != 0 && errno != EEXIST) return;
  if (v2_)
    put(path_ + "/cpu.weight", std::to_string(std::clamp(weight_ / 10, 1, 10'000)));
  else
    put(path_ + "/cpu.shares", std::to_string(std::max(2, weight_)));
  put(path_ + "/cgroup.procs", std::to_string(pid));
}

void sweep_cgroups(const std::string& instance_id) {
  std::vector<Group> left;
  for (const auto& [name, h] : controllers())
    if (std::error_code ignored; fs::exists(h.root + "/tarn-" + instance_id, ignored)) left.push_back({name, h.root + "/tarn-" + instance_id, h.v2});
  if (!left.empty()) remove_groups(left);
}

namespace {

std::optional<std::int64_t> number_in(const std::string& path, const std::string& word = "") {
  std::istringstream in(read_all(path));
  std::string name;
  std::int64_t value = 0;
  if (word.empty()) return in >> value ? std::optional(value) : std::nullopt;
  while (in >> name >> value)
    if (name == word) return value;
  return std::nullopt;
}

/// Fields of /proc/PID/stat after the name, which may hold anything: [0] is the state, [1] the parent.
std::vector<std::string> stat_of(const std::string& pid) {
  const auto text = read_all("/proc/" + pid + "/stat");
  const auto name_ends = text.rfind(')');
  std::vector<std::string> out;
  if (name_ends == text.npos) return out;
  std::istringstream in(text.substr(name_ends + 1));
  for (std::string w; in >> w;) out.push_back(w);
  return out;
}

Usage usage_below(int first) {
  struct One {
    int parent;
    std::int64_t cpu, pages;
  };
  std::map<int, One> all;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    const auto f = stat_of(name);
    if (f.size() < 22) continue;
    all[std::stoi(name)] = {std::stoi(f[1]), std::stoll(f[11]) + std::stoll(f[12]) + std::stoll(f[13]) + std::stoll(f[14]), std::stoll(f[21])};
  }
  Usage out;
  for (const auto& [pid, one] : all) {
    int up = pid;
    for (int depth = 0; up != first && up > 1 && depth < 64; ++depth) up = all.contains(up) ? all.at(up).parent : 0;
    if (up != first) continue;
    ++out.processes;
    out.cpu_micros += one.cpu * 1'000'000 / ::sysconf(_SC_CLK_TCK);
    out.memory_bytes += one.pages * ::sysconf(_SC_PAGESIZE);
  }
  return out;
}

}  // namespace

Usage usage_of(const std::vector<Group>& groups, int first) {
  std::optional<std::int64_t> memory, cpu, processes;
  for (const auto& g : groups) {
    if (g.controller == "memory") memory = number_in(g.path + (g.v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (g.controller == "cpu") {
      cpu = g.v2 ? number_in(g.path + "/cpu.stat", "usage_usec") : number_in(g.path + "/cpuacct.usage");
      if (cpu && !g.v2) *cpu /= 1000;
    }
    if (g.controller == "pids") processes = number_in(g.path + "/pids.current");
  }
  if (memory && cpu && processes) return {*memory, *cpu, *processes};
  const auto counted = usage_below(first);
  return {memory.value_or(counted.memory_bytes), cpu.value_or(counted.cpu_micros), processes.value_or(counted.processes)};
}

}  // namespace tarn::compute::node
