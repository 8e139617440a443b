// A gateway alone: one route that checks a bearer token against a hash table and answers a body from memory, on the I/O thread. What the
// HTTP stack costs, without rooms behind it. Prints its ports as JSON, serves until standard input ends.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <unordered_map>

#include "base/crypto.h"
#include "gateway/server.h"

namespace {

using namespace tarn;

struct OneUser final : identity::Directory {
  std::unordered_map<std::string, access::Caller> by_hash{{crypto::sha256("bench-token"), {.id = 7, .name = "bench@acme.example"}}};
  std::optional<identity::PrincipalRef> find_principal(std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_principal(std::int64_t) override { return std::nullopt; }
  std::optional<access::Caller> caller(std::int64_t, std::optional<std::int64_t>) override { return std::nullopt; }
  Expected<access::Caller, Refusal> authenticate(std::string_view bearer, std::optional<std::int64_t>) override {
    const auto found = by_hash.find(crypto::sha256(bearer));
    if (found == by_hash.end()) return fail(Refusal{false, "Invalid access token."});
    return found->second;
  }
  bool is_assigned(std::int64_t, std::int64_t) override { return true; }
};

struct NoWorkspaces final : account::WorkspaceDirectory {
  std::optional<account::WorkspaceRef> by_deployment(std::string_view) override { return std::nullopt; }
  std::optional<account::WorkspaceRef> by_id(std::int64_t) override { return std::nullopt; }
  std::vector<account::WorkspaceRef> all() override { return {}; }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : ".";
  const std::string body = "{\"name\":\"" + std::string(688, 'x') + "\"}";
  OneUser directory;
  NoWorkspaces workspaces;
  api::Router router;
  const auto answer = [&](const api::Request&) -> api::Result { return api::Reply{.body = body}; };
  router.add({api::Method::GET, "/inline", api::Surface::both, api::Auth::authenticated, "bench", answer, true});
  router.add({api::Method::GET, "/worker", api::Surface::both, api::Auth::authenticated, "bench", answer, false});
  gateway::Authority authority(folder + "/tls", "tarn.localhost");
  gateway::Server server({.io_threads = 2, .access_log = folder + "/access.log"},
                         {.router = router, .directory = directory, .workspaces = workspaces, .storage = {}, .account_id = "bench", .refused = {}},
                         gateway::Hosts("tarn.localhost", "us-east-1"), &authority);
  const auto plain = server.listen({.fixed = {gateway::Site::account}});
  const auto tls = server.listen({.protocol = gateway::Protocol::https, .fixed = {gateway::Site::account}});
  if (!plain || !tls) return 1;
  fmt::print("{{\"plain\":{},\"tls\":{},\"bytes\":{}}}\n", plain->port, tls->port, body.size());
  std::fflush(stdout);
  while (std::cin.get() != EOF) {
  }
  server.drain(std::chrono::seconds(1));
  return 0;
}
