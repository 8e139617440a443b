#pragma once
// From a parsed request to a reply: host -> site, path -> route, bearer -> caller, least right, handler. Knows no sockets: the connection
// asks plan() when the head is there, reads the body as the plan says, then asks answer().
// Thread-safe once constructed. Order of refusals: host (404), path (404, 405), credential (401, 403), right (403), handler.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "account/workspaces.h"
#include "api/api.h"
#include "gateway/body.h"
#include "gateway/hosts.h"
#include "gateway/limits.h"
#include "gateway/metrics.h"
#include "gateway/workers.h"
#include "identity/directory.h"

namespace tarn::gateway {

/// Storage speaks for itself: it authenticates (SigV4) and answers S3's and STS' own bodies.
struct StorageDoor {
  std::function<api::Reply(const api::Request&)> handle;
  /// Optional: a refusal that the head alone justifies, so that nobody without credentials fills the spool. Same thread rules.
  std::function<std::optional<api::Reply>(const api::Request&)> admit;
};

/// What the dispatcher serves. References must outlive it.
struct Services {
  const api::Router& router;
  identity::Directory& directory;
  account::WorkspaceDirectory& workspaces;
  StorageDoor storage;
  std::string account_id;
  /// Optional: why no request from this address may reach a workspace, or the account (nullopt). Asked before anything else of a request
  /// to a known host; must be quick, on any thread.
  std::function<std::optional<api::WireError>(std::optional<std::int64_t> workspace_id, std::string_view source_ip)> blocked;
  /// Optional: why a caller whom the route's least right lets in may not use it (entitlements of its workspace). Quick, on any thread.
  std::function<std::optional<api::WireError>(const api::Route&, const access::Caller&)> unentitled;
  /// Optional: the store's generation where it is at hand, nothing where it would have to be asked for. Quick, on any thread.
  std::function<std::optional<std::int64_t>()> generation;
  /// Called (on any thread) for each 401 and 403 that the gateway itself gives, so that the refusal is audited.
  std::function<void(const api::Request&, const api::Route&, const api::WireError&)> refused;
};

/// Where a listener's requests go when their host does not say.
struct Fixed {
  Site site = Site::unknown;  // unknown: by host
  std::int64_t workspace_id = 0;
};

/// One request on its way. Owned by shared_ptr: a handler that outlives its deadline still holds it.
struct Exchange {
  api::Request request;
  Body body;
  Site site = Site::unknown;
  std::string deployment;
  std::int64_t workspace_id = 0;  // known from the listener, or once the workspace is resolved
  const api::Route* route = nullptr;
  Metrics::Group* group = nullptr;
  bool head_only = false;             // HEAD served by a GET route
  std::optional<api::Reply> refusal;  // decided from the head: the body is not wanted
  api::Reply reply;
  std::uint64_t body_limit = 0;
  bool spool = false;
  bool admitted = false;
  /// Set while a handler runs on a worker: ends the wait with a refusal (call on the connection's I/O thread).
  std::function<void()> abandon;
};

class Dispatcher {
 public:
  Dispatcher(Services services, Hosts hosts, const Limits& limits, Workers& workers, Metrics& metrics);

  /// Fills site, route, body limit; or refusal. `method_text` for verbs that no route can have.
  void plan(Exchange& x, const Fixed& fixed, std::optional<api::Method> method, std::string_view method_text) const;
  /// Before a large upload is read: may set x->refusal from the head alone. False as below.
  boost::asio::awaitable<bool> precheck(std::shared_ptr<Exchange> x) const;
  /// Runs the exchange and fills x->reply. Never throws for what a handler does. Resumes on the caller's executor. False: abandoned;
  /// the handler still runs, so of the exchange only what plan() filled may be read.
  boost::asio::awaitable<bool> answer(std::shared_ptr<Exchange> x) const;
  /// The same without suspension, if the route allows it; false otherwise.
  bool answer_inline(Exchange& x) const;

  const Hosts& hosts() const { return hosts_; }

 private:
  std::optional<api::WireError> admit(Exchange& x) const;  // workspace, credential, right
  bool enter(Exchange& x) const;                           // the same once; false: x.reply is the refusal
  /// Lets in on the I/O thread who was let in since the store last changed: all that admit() asks is in caches then. False: a worker must.
  bool enter_at_once(Exchange& x, std::size_t door) const;
  void remember(std::size_t door, std::optional<std::int64_t> before, bool in) const;
  std::size_t door_of(const Exchange& x) const;  // a credential and where it is shown
  void run(Exchange& x) const;                   // a sync handler, exceptions hidden
  void refuse(Exchange& x, const api::WireError& error) const;
  boost::asio::awaitable<bool> on_worker(std::shared_ptr<Exchange> x, std::function<void()> job) const;
  void take(Exchange& x, api::Result result) const;
  Metrics::Group* group_of(const api::Route* route) const;

  Services services_;
  Hosts hosts_;
  const Limits& limits_;
  Workers& workers_;
  Metrics& metrics_;
  std::unordered_map<const api::Route*, Metrics::Group*> groups_;
  Metrics::Group* unknown_group_;
  Metrics::Group* storage_group_;
  Metrics::Group* admin_group_;
  // Doors that somebody went through at this generation of the store. Two that share a number only cost a read on an I/O thread.
  mutable std::mutex warm_mutex_;
  mutable std::int64_t warm_at_ = -1;
  mutable std::unordered_set<std::size_t> warm_;
};

/// What a client may see of an exception (500, 503); the cause is logged under the request id.
api::WireError hidden(const api::Request& request, std::exception_ptr thrown);

}  // namespace tarn::gateway
