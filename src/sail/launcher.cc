// tarn-sail PARENT: confines itself as its order on standard input says, and becomes Sail's host. What it cannot confine it does not start.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <sstream>

#include "engine/child/hardening.h"
#include "sail/order.h"

namespace {

/// As the host says it: the first frame on descriptor 3.
[[noreturn]] void gives_up(const std::string& why) {
  const auto text = boost::json::serialize(tarn::json::object{{"error", why}});
  std::string frame;
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(text.size() >> shift);
  frame += text;
  [[maybe_unused]] const auto n = ::write(3, frame.data(), frame.size());
  ::_exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  std::ostringstream text;
  text << std::cin.rdbuf();
  auto order = tarn::json::decode_text<tarn::sail::Order>(text.str());
  if (!order || order->command.empty()) return 2;
  if (!tarn::engine::child::harden_process(argc > 1 ? std::atoi(argv[1]) : 0, 3)) return 1;
  tarn::engine::child::Confinement c{.readable = order->readable, .writable = {order->home}, .may_start_programs = true, .own_network = true};
  c.readable.emplace_back("/dev/urandom");
  for (const char* folder : {"/usr", "/lib", "/lib64"})
    if (std::filesystem::is_directory(folder)) c.executable.emplace_back(folder);
  try {
    if (::chdir(order->home.c_str()) != 0) gives_up("its folder cannot be entered");
    tarn::engine::child::own_network();
    tarn::engine::child::drop_capabilities();
    tarn::engine::child::confine(c);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a user namespace clears it
  } catch (const std::exception& e) {
    gives_up(std::string("it cannot be confined: ") + e.what());
  }
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + order->home, "TMPDIR=" + order->home};
  for (const auto& [name, value] : order->environment) environment.push_back(name + "=" + value);
  std::vector<char*> arguments, variables;
  for (auto& word : order->command) arguments.push_back(word.data());
  for (auto& one : environment) variables.push_back(one.data());
  arguments.push_back(nullptr), variables.push_back(nullptr);
  ::execve(arguments[0], arguments.data(), variables.data());
  gives_up("its program " + order->command[0] + " cannot be started");
}
